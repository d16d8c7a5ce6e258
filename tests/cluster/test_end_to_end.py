"""A team's cluster as docs/cluster.md has it, on one machine: it loses a node, and the study is whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.records.ledger_file import is_begun
from tests.cluster.conftest import ON_ALL_NODES, Laptop
from tests.launch.conftest import rows_of
from tests.local_stack import running
from trainables.storage import Storage

PRESET = "tce-table2-cifar10"
STUDY = f"{PRESET}-smoke"
RUNS = """
import json, mlflow
client = mlflow.MlflowClient()
(found,) = [each for each in client.search_experiments() if each.name == "tce-table2-cifar10-smoke"]
runs, token = [], None
while token is None or token:
    page = client.search_runs([found.experiment_id], max_results=500, page_token=token)
    runs += page
    token = page.token or ""
print(json.dumps([[run.data.tags.get("study.key"), run.info.status, run.data.tags.get("study.state")] for run in runs]))
"""


def until(true: Callable[[], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_preset_is_handed_to_a_cluster_that_loses_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, root = tmp_path / "stack", tmp_path / "laptop"
    root.mkdir()
    with running(stack, "--workers", "3", "--mortal-workers") as variables:
        laptop = Laptop(root, variables["RAY_API_SERVER_ADDRESS"], _token(variables), ON_ALL_NODES)
        ledger = stack / "studies" / STUDY / "ledger.db"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
            monkeypatch.setenv(name, variables[name])
        storage = f"s3://{variables['MLFLOW_BUCKET']}/studies"
        uri = variables["MLFLOW_TRACKING_URI"].replace("http://", "http://admin:${MLFLOW_PASSWORD}@")
        options = ("--smoke", "--storage", storage, "--set", f"tracking.uri={uri}", "--set", "resources.lanes=1")
        job = laptop.json("launch", PRESET, *options, "--submit", laptop.address)["job"]

        until(lambda: is_begun(ledger) and _states(ledger)["completed"] >= 3)
        before = _states(ledger)
        assert before["waiting"] + before["running"] > 3, before
        os.killpg(_pid(stack, "ray-worker-2"), signal.SIGKILL)

        until(lambda: laptop.json_there("logs", job)["state"] not in ("PENDING", "RUNNING"), 600)
        log = laptop.there("logs", job).stdout
        status = laptop.json_there("status", STUDY)
        assert status["job"]["state"] == "SUCCEEDED", log
        assert set(status["states"]) == {"completed"}, log
        events = [message for (message,) in rows_of(ledger, "select message from events")]
        assert any("left the cluster" in message for message in events), events

        done = subprocess.run(
            [sys.executable, "-c", RUNS], env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        runs = json.loads(done.stdout)
        keys = {key for (key,) in rows_of(ledger, "select trial_key from trials union select cell_key from cells")}
        assert Counter(key for key, *_ in runs) == Counter(dict.fromkeys(keys, 1))
        assert {status for _, status, _ in runs} == {"FINISHED"}

        exports = Storage(storage).below(STUDY, "best").names()
        assert exports == sorted(path.name for path in (stack / "studies" / STUDY / "best").iterdir())
        assert any(name.endswith(".safetensors") for name in exports)
        pulled = laptop.json("pull", STUDY, "--storage", storage)
        assert pulled["folder"] == str(laptop.home / STUDY)
        assert laptop.json("compare", STUDY) == laptop.json_at(stack / "studies", "compare", STUDY)


def _token(variables: dict[str, str]) -> str:
    return Path(variables["RAY_AUTH_TOKEN_PATH"]).read_text(encoding="utf-8").strip()


def _states(ledger: Path) -> Counter[str]:
    return Counter(dict(rows_of(ledger, "select state, count(*) from trials group by state")))


def _pid(stack: Path, service: str) -> int:
    state = json.loads((stack / "state.json").read_text(encoding="utf-8"))
    return next(int(each["pid"]) for each in state["services"] if each["name"] == service)
