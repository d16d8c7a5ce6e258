"""A study on a Ray cluster that runs already: nodes come, die and are added; the cluster outlives every launch."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.nodes import LocalCluster
from tests.launch.conftest import TINY, TINY_TRIALS, Place, free_port
from tests.s3 import BUCKET, s3_server

pytestmark = pytest.mark.timeout(600)

SMALL = ("--set", "noise.rate=0", "--set", "search.repeats=1", "--set", "tracking.enabled=false")
SMALL_TRIALS = 3
LONGER = ("--set", "training.epochs=150", "--set", "resources.report_interval_s=0.3")
SAVED = ("--set", "resources.checkpoint_interval_s=0", "--set", "resources.retries=0")
OWN = """\
import helper_of_mine
from trainables.losses.ce import CrossEntropy


class Mine(CrossEntropy):
    \"\"\"Cross entropy, from a module that needs another one beside it.\"\"\"

    def per_sample(self, logits, targets, indices):
        return helper_of_mine.ONE * super().per_sample(logits, targets, indices)
"""
LOSSES = "select trial_key, epoch, json_extract(metrics, '$.train_loss') from reports order by 1, 2"


def wait_until(condition: Callable[[], Any], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def count(place: Place, where: str, study: str = "tiny") -> int:
    try:
        found: int = place.rows(f"select count(*) from trials where {where}", study=study)[0][0]
        return found
    except Exception:  # the ledger is not there yet
        return 0


def events(place: Place, kind: str) -> list[str]:
    return [message for (message,) in place.rows(f"select message from events where kind = '{kind}'")]


def test_no_cluster_and_no_address_are_a_line(place: Place) -> None:
    token = {"RAY_AUTH_TOKEN": "none"}
    nobody = f"127.0.0.1:{free_port()}"
    said = {
        nobody: "no Ray cluster answers at",
        "10.0.0.5": "not host:port",
        "ray://10.0.0.5:10001": "not host:port",
    }
    for address, expected in said.items():
        refused = place.run("launch", "tiny.yaml", "--address", address, expect=2, **token).stderr
        assert expected in refused
        assert refused.count("\n") == 1
    assert not place.home.exists()


def test_what_is_no_head_of_a_cluster_is_a_line_in_bounded_time(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        refused = place.run("launch", "tiny.yaml", "--address", address, expect=2, RAY_AUTH_TOKEN="none").stderr
    assert "no head of a Ray cluster" in refused
    assert refused.count("\n") == 1


def test_a_token_that_is_missing_or_wrong_is_a_line(place: Place, cluster: LocalCluster) -> None:
    launched = ("launch", "tiny.yaml", "--address", cluster.address)
    assert "refuses the token" in place.run(*launched, expect=2, RAY_AUTH_TOKEN="0" * 32).stderr
    nowhere = {"HOME": str(place.root), "RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": ""}
    refused = place.run(*launched, expect=2, **nowhere).stderr
    assert "there is no token in RAY_AUTH_TOKEN" in refused
    assert not (place.root / ".ray").exists()
    assert not place.home.exists()


def test_more_than_any_node_has_is_refused_with_what_there_is(place: Place, cluster: LocalCluster) -> None:
    cluster.add("one")
    launched = ("launch", "tiny.yaml", "--address", cluster.address)
    for change, expected in (
        ("resources.cpus=2", "no node of the cluster at"),
        ("resources.cpus=2", "one has most, 1"),
        ("resources.gpus=1", "none has any"),
    ):
        refused = place.run(*launched, "--set", change, expect=2, **cluster.environment).stderr
        assert expected in refused
        assert refused.count("\n") == 1
    assert not place.home.exists()


@pytest.mark.slow
def test_both_nodes_train_and_the_numbers_are_those_of_this_machine(place: Place, cluster: LocalCluster) -> None:
    cluster.add("one")
    cluster.add("two")
    (place.root / "mine.py").write_text(OWN)
    (place.root / "helper_of_mine.py").write_text("ONE = 1.0\n")
    own = ("--set", 'families=[ce, {family: tce, space: {alpha: {grid: [0.5, 1.5]}}}, {family: "mine:Mine"}]')
    small = ("--set", "noise.rate=0", "--set", "tracking.enabled=false", *own)
    done = place.run("launch", "tiny.yaml", "--address", cluster.address, "--json", *small, **cluster.environment)
    assert json.loads(done.stdout)["ran"] == {"completed": 8}
    reports = place.rows(LOSSES)
    place.run("delete", "tiny", "--yes")
    place.run("launch", "tiny.yaml", *small)
    assert place.rows(LOSSES) == reports
    assert all(node.process.poll() is None for node in cluster.nodes.values())


@pytest.mark.slow
def test_a_node_that_dies_takes_no_trial_with_it_and_one_that_comes_is_used(
    place: Place, cluster: LocalCluster, runs_per_key: Callable[[Place], list[int]]
) -> None:
    cluster.add("one")
    running = place.start("launch", "tiny.yaml", "--address", cluster.address, *LONGER, *SAVED, **cluster.environment)
    wait_until(lambda: count(place, "state = 'running' and epoch > 5"))
    cluster.add("two")
    wait_until(lambda: count(place, "state = 'running' and epoch > 5") == 2)
    cluster.nodes["one"].kill()
    said, problems = running.communicate(timeout=280)
    assert running.returncode == 0, said + problems
    assert "Traceback" not in said + problems
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    assert place.rows("select count(*) from reports") == [(TINY_TRIALS * 150,)]
    assert "node two joined the cluster" in events(place, "node")
    assert events(place, "retried") == ["node one left the cluster"]
    assert not [said for said in events(place, "trained again") if said.startswith("epochs 1 ")]
    assert runs_per_key(place) == [1] * (TINY_TRIALS + 4)


@pytest.mark.slow
def test_lanes_lose_a_node_and_go_on_on_another(place: Place, cluster: LocalCluster) -> None:
    cluster.add("one")
    cluster.add("two")
    lanes = ("--set", "resources.lanes=4", "--set", "tracking.enabled=false")
    running = place.start(
        "launch", "tiny.yaml", "--address", cluster.address, *LONGER, *SAVED, *lanes, **cluster.environment
    )
    wait_until(lambda: count(place, "state = 'running' and epoch > 5") >= 6)
    cluster.nodes["one"].kill()
    said, problems = running.communicate(timeout=280)
    assert running.returncode == 0, said + problems
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    assert place.rows("select count(*) from reports") == [(TINY_TRIALS * 150,)]
    assert set(events(place, "retried")) == {"node one left the cluster"}


@pytest.mark.slow
def test_a_head_that_dies_is_a_sentence_and_the_study_is_completed_elsewhere(
    place: Place, cluster: LocalCluster
) -> None:
    cluster.add("one")
    longer = (*SMALL, *LONGER)
    running = place.start("launch", "tiny.yaml", "--address", cluster.address, *longer, **cluster.environment)
    wait_until(lambda: count(place, "state = 'running' and epoch > 5"))
    cluster.nodes["head"].kill()
    said, problems = running.communicate(timeout=90)
    assert running.returncode == 1, said + problems
    assert "on this machine died" in said or "does not answer any more" in said
    place.run("launch", "tiny.yaml", *longer)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", SMALL_TRIALS)]


@pytest.mark.slow
def test_two_studies_share_a_cluster_and_neither_takes_more_than_it_was_given(
    place: Place, cluster: LocalCluster
) -> None:
    cluster.add("one")
    cluster.add("two")
    bound = ("--address", cluster.address, "--max-concurrent", "1", *SMALL)
    place.write(TINY.replace("name: tiny", "name: other"), "other.yaml")
    launches = [place.start("launch", file, *bound, **cluster.environment) for file in ("tiny.yaml", "other.yaml")]
    most, ends = 0, []
    watched = threading.Thread(target=lambda: ends.extend(launch.communicate(timeout=280) for launch in launches))
    watched.start()
    while watched.is_alive():
        most = max(most, count(place, "state = 'running'"))
        time.sleep(0.1)
    assert [launch.returncode for launch in launches] == [0, 0], ends
    assert most == 1
    for study in ("tiny", "other"):
        assert count(place, "state = 'completed'", study) == SMALL_TRIALS


@pytest.mark.slow
def test_ctrl_c_reaches_the_nodes_and_the_same_command_goes_on(place: Place, cluster: LocalCluster) -> None:
    cluster.add("one")
    longer = ("--address", cluster.address, *SMALL, *LONGER, "--set", "training.epochs=1500")
    running = place.start("launch", "tiny.yaml", *longer, **cluster.environment)
    wait_until(lambda: count(place, "state = 'running' and epoch > 5"))
    running.send_signal(signal.SIGINT)
    said, problems = running.communicate(timeout=120)
    assert running.returncode == 130, said + problems
    assert count(place, "state = 'interrupted' and reason like 'stopped by the user%'") >= 1
    place.run("launch", "tiny.yaml", *longer, **cluster.environment)
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", SMALL_TRIALS)]


def may_unshare() -> bool:
    """Whether a process may have mounts of its own here, as root may."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


def hiding(folder: Path) -> tuple[str, ...]:
    """The command that runs another which sees an empty folder of its own there."""
    return ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "hidden")


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare(), reason="a node with a file system of its own needs the rights to mount one")
def test_a_node_without_the_studys_folder_is_named_before_the_first_trial(place: Place, cluster: LocalCluster) -> None:
    place.home.mkdir()
    cluster.add("one")
    cluster.add("apart", 1, *hiding(place.home))
    refused = place.run("launch", "tiny.yaml", "--address", cluster.address, *SMALL, expect=2, **cluster.environment)
    problem = refused.stderr.strip().splitlines()[-1]
    assert "node apart: the study's folder" in problem
    assert "STUDY_HOME" in problem
    assert count(place, "attempts > 0") == 0
    assert not list(place.home.rglob(".probe*"))


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare(), reason="a node with a file system of its own needs the rights to mount one")
def test_a_node_without_the_data_is_named_before_the_first_trial(place: Place, cluster: LocalCluster) -> None:
    import numpy as np

    data = place.root / "data"
    data.mkdir()
    drawn = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = drawn.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)
    np.savez(data / "train.npz", images=images, labels=labels)
    place.write(TINY.replace("dataset: digits", f"dataset: {{name: npz, root: {data}}}"), "with_data.yaml")
    cluster.add("one")
    cluster.add("bare", 1, *hiding(data), STUDY_CACHE=str(cluster.root / "cache"))
    launched = ("launch", "with_data.yaml", "--address", cluster.address, *SMALL)
    refused = place.run(*launched, expect=2, **cluster.environment)
    problem = refused.stderr.strip().splitlines()[-1]
    assert "node bare: data set 'npz'" in problem
    assert count(place, "attempts > 0") == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare(), reason="a node with a file system of its own needs the rights to mount one")
def test_nodes_that_share_no_folder_share_a_storage(place: Place, cluster: LocalCluster) -> None:
    (place.root / "mine.py").write_text(OWN)
    (place.root / "helper_of_mine.py").write_text("ONE = 1.0\n")
    with s3_server() as keys:
        storage = ("--storage", f"s3://{BUCKET}/cluster")
        longer = (*SMALL, *LONGER, *SAVED, "--set", 'families=[ce, mse, {family: "mine:Mine"}]')
        launched = ("launch", "tiny.yaml", "--address", cluster.address, *storage, *longer)
        for name in ("one", "two"):
            cluster.add(name, 1, *hiding(place.root), STUDY_CACHE=str(cluster.root / name), **keys)
        running = place.start(*launched, **cluster.environment, **keys)
        wait_until(lambda: count(place, "state = 'running' and epoch > 20") == 2 or running.poll() is not None)
        assert running.poll() is None, running.communicate()
        cluster.nodes["two"].kill()
        said, problems = running.communicate(timeout=300)
        assert running.returncode == 0, said + problems
        assert place.rows("select state, count(*) from trials group by 1") == [("completed", SMALL_TRIALS)]
        (retried,) = events(place, "retried")
        assert "node two" in retried
        again = sum(int(number) for text in events(place, "trained again") for number in re.findall(r"\d+", text)[-1:])
        assert again < 150
        assert not (place.home / "tiny" / "checkpoints").exists() or events(place, "warning") == []
        assert list((place.home / "tiny" / "best").glob("*.safetensors"))


@pytest.mark.slow
def test_a_node_without_the_keys_of_the_storage_is_named_before_the_first_trial(
    place: Place, cluster: LocalCluster
) -> None:
    cluster.add("keyless")
    with s3_server() as keys:
        launched = ("launch", "tiny.yaml", "--address", cluster.address, "--storage", f"s3://{BUCKET}/cluster", *SMALL)
        refused = place.run(*launched, expect=2, **cluster.environment, **keys).stderr.strip().splitlines()[-1]
    assert f"node keyless: the storage s3://{BUCKET}/cluster/tiny cannot be used there" in refused
    assert "AWS_ACCESS_KEY_ID" in refused
    assert count(place, "attempts > 0") == 0
