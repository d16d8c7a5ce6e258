"""A study is handed to a job server and brought home; the job server stands in for Ray's."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from study.remote import jobs
from tests.cluster.conftest import Laptop
from tests.cluster.job_server import JobServer
from tests.cluster.story import TINY, stop_in_the_middle, tell, write_study
from tests.study.commands import Said, run

ON_ALL_NODES = jobs.ON_THE_CLUSTER
SECRET = "open-sesame-77"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_is_submitted_asked_about_and_pulled(laptop: Laptop, server: JobServer) -> None:
    tell(laptop, server.folder / "studies")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_running_study_is_stopped_gently(laptop: Laptop) -> None:
    stop_in_the_middle(laptop)


@dataclass(frozen=True)
class Submitter:
    """A laptop whose commands run in this process."""

    root: Path
    address: str

    def run(self, *words: str, expect: int = 0) -> Said:
        said = run(*words)
        assert said.code == expect, said
        return said

    def submit(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--submit", self.address, "--json").out)

    def there(self, *words: str, expect: int = 0) -> Said:
        return self.run(*words, "--address", self.address, expect=expect)


@pytest.fixture
def waiting(tmp_path: Path, server: JobServer, monkeypatch: pytest.MonkeyPatch) -> Submitter:
    """A laptop whose jobs are accepted and not begun."""
    server.starts_jobs = False
    monkeypatch.setattr(jobs, "ON_THE_CLUSTER", ())
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in ("my_losses", "its_helper"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    for name in ("STUDY_HOME", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", server.token)
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path)
    return Submitter(tmp_path, server.address)


def test_all_that_was_asked_of_a_launch_travels(waiting: Submitter, server: JobServer) -> None:
    words = ["--set", "seed=7", "--set", "name=ab", "--smoke", "--strict", "--max-hours", "0", "--trim"]
    told = waiting.submit("launch", "tiny.yaml", *words, "--data", "/data sets")

    (job,) = server.jobs.values()
    assert job.details["entrypoint"] == (
        "python -m study.remote.head launch tiny.yaml --set seed=7 --set name=ab --data '/data sets' --smoke --strict "
        "--max-hours 0.0 --trim"
    )
    assert job.details["metadata"] == {"study": "ab-smoke", "action": "launch", "digest": told["digest"]}
    assert told["job"] == job.details["submission_id"]


def test_a_driver_on_a_head_uses_all_of_its_nodes(
    waiting: Submitter, server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "ON_THE_CLUSTER", ON_ALL_NODES)
    waiting.submit("launch", "tiny.yaml")

    (job,) = server.jobs.values()
    assert job.details["entrypoint"].endswith("launch tiny.yaml --address auto")


def test_code_travels_and_nothing_else(waiting: Submitter, server: JobServer) -> None:
    for name in ("studies/old/ledger.db", "data/images.py", ".venv/lib.py", "notes.txt", "helpers/a.py", "junk/b.py"):
        path = waiting.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (waiting.root / "helpers" / "__init__.py").write_text("")
    (waiting.root / "matrix.csv").write_text("\n".join([",".join(["0.1"] * 10)] * 10))
    (waiting.root / "tiny.yaml").write_text(
        TINY.replace("  - ce\n", "  - {family: mcel, space: {similarity: {name: file, path: matrix.csv}}}\n")
    )
    waiting.submit("launch", "tiny.yaml")

    (folder,) = server.packages.values()
    own = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in ("study", "trainables", "search_spaces")
    }
    assert own == {"tiny.yaml", "my_losses.py", "its_helper.py", "matrix.csv", "helpers/__init__.py", "helpers/a.py"}
    assert (folder / "study/presets/quickstart.yaml").is_file()
    assert (folder / "trainables/losses/tce.py").is_file()


def test_a_preset_travels_alone(waiting: Submitter, server: JobServer) -> None:
    told = waiting.submit("launch", "quickstart")

    (folder,) = server.packages.values()
    assert told["study"] == "quickstart"
    assert {path.name for path in folder.iterdir()} == {"study", "trainables", "search_spaces", "quickstart.yaml"}


def test_a_secret_reaches_the_server_only_where_it_is_sent_on_purpose(
    waiting: Submitter, server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_PASSWORD", SECRET)
    uri = "tracking.uri=http://me:${MLFLOW_PASSWORD}@mlflow.example.org"
    words = ("launch", "tiny.yaml", "--set", uri, "--submit", server.address)
    told = waiting.run(*words)

    (job,) = server.jobs.values()
    assert SECRET not in str(job.details)
    assert "tracking.uri names ${MLFLOW_PASSWORD}, which the head must have in its environment" in told.out
    assert not any(SECRET.encode() in path.read_bytes() for path in server.folder.rglob("*") if path.is_file())

    again = waiting.run(*words, "--set", "name=sent", "--send-env", "MLFLOW_PASSWORD")
    sent = list(server.jobs.values())[1]
    assert sent.details["runtime_env"]["env_vars"]["MLFLOW_PASSWORD"] == SECRET
    assert SECRET not in sent.details["entrypoint"]
    assert "tracking.uri names" not in again.out


def test_one_that_waits_is_stopped_before_it_begins(waiting: Submitter, server: JobServer) -> None:
    job = waiting.submit("launch", "tiny.yaml")["job"]
    server.starts_jobs = True

    assert f"its job {job} is PENDING" in waiting.there("status", "tiny", expect=2).err
    told = json.loads(waiting.there("stop", "tiny", "--json").out)
    assert told == {"study": "tiny", "was_running": f"job {job}", "stopped": True, "states": {}}
    assert server.jobs[job].details["status"] == "STOPPED"


def test_a_confirmation_is_handed_over_alike(waiting: Submitter, server: JobServer) -> None:
    told = waiting.submit("confirm", "tiny", "--repeats", "4")

    (job,) = server.jobs.values()
    assert job.details["entrypoint"] == "python -m study.remote.head confirm tiny --repeats 4"
    assert job.details["metadata"] == {"study": "tiny", "action": "confirm"}
    assert told["job"] == job.details["submission_id"]


def test_what_a_study_was_launched_from_outlasts_its_job(waiting: Submitter, server: JobServer) -> None:
    server.starts_jobs = True
    told = waiting.submit("launch", "tiny.yaml", "--set", "resources.cpus=999")
    ended = server.wait_for(told["job"])

    assert ended["driver_exit_code"] == 2, "no machine is so large"
    (landed,) = (server.folder / "studies" / ".submitted").iterdir()
    assert {path.name for path in landed.iterdir()} == {"tiny.yaml", "my_losses.py", "its_helper.py"}
    said = waiting.there("status", "tiny", expect=2).err
    assert f"study 'tiny' did not begin; job {told['job']} FAILED: " in said
    assert "999" in said
