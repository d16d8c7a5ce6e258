"""The services of the compose file without docker: they work together, and nothing of them is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.local_stack import local_stack, running

ROUND_TRIP = """
import mlflow
mlflow.set_experiment("round trip")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.75)
    mlflow.log_text("hello", "greeting.txt")
again = mlflow.get_run(run.info.run_id)
assert again.data.metrics == {"accuracy": 0.75}, again.data
assert mlflow.artifacts.load_text(run.info.artifact_uri + "/greeting.txt") == "hello"
"""
NODES = """
import json, ray
ray.init("auto", log_to_driver=False)
where = ray.remote(num_cpus=1, resources={"ray-worker-2": 1})(lambda: "there")
print(json.dumps([sorted(name for name in node["Resources"] if name.startswith("ray-")) for node in ray.nodes()]))
print(json.dumps(ray.get(where.remote())))
"""
WITHOUT_MOTO = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "moto" else find(name, package)
sys.argv[:3] = [""]
runpy.run_module("local_stack", run_name="__main__")
"""


def python(code: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program as a user would who has sourced `env`."""
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def services(folder: Path) -> dict[str, psutil.Process]:
    """The processes of a running stack."""
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    found = {each["name"]: psutil.Process(each["pid"]) for each in state["services"]}
    return found | {"supervisor": psutil.Process(state["supervisor"]["pid"])}


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "stack"


def test_stopping_where_nothing_runs_is_no_mistake(folder: Path) -> None:
    done = local_stack("stop", folder)
    assert (done.returncode, done.stdout) == (0, f"{folder}: no stack is running\n")
    assert local_stack("status", folder).returncode == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--services", "redis"], "'redis' is none of postgres, s3, mlflow, ray"),
        (["--workers", "two"], "'two' is not a number from 0"),
        (["--cpus", "many"], "'many' is not a number from 0"),
    ],
)
def test_a_mistake_in_the_options_starts_nothing(folder: Path, options: list[str], said: str) -> None:
    done = local_stack("start", folder, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not folder.exists()


def test_packages_that_are_not_installed_are_named_before_anything_starts(folder: Path, tmp_path: Path) -> None:
    bare, hide = tmp_path / "python", tmp_path / "hide.py"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -c "$(cat {hide})" "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    hide.write_text(WITHOUT_MOTO, encoding="utf-8")
    done = local_stack("start", folder, "--services", "s3", PYTHON=str(bare))
    assert done.returncode == 2, done.stderr
    assert done.stderr == "not installed: moto[server]; pip install 'moto[server]'\n"


def test_a_service_that_ends_ends_the_others_and_is_named_with_its_log(folder: Path) -> None:
    assert local_stack("start", folder, "--services", "postgres,s3").returncode == 0
    try:
        processes = services(folder)
        processes["s3"].kill()
        until(lambda: all(ended(process) for process in processes.values()))
        failure = (folder / "failure").read_text(encoding="utf-8")
        assert failure.startswith("s3 ended by itself with exit code -9\n")
        assert "Running on http://127.0.0.1:" in failure  # what its log ends with
        assert not (folder / "env").exists()
        status = local_stack("status", folder)
        assert status.returncode == 1
        assert "s3 ended by itself" in status.stderr
    finally:
        local_stack("stop", folder)


def test_a_service_that_does_not_start_is_named_with_its_log(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "moto").mkdir()
    (tmp_path / "moto" / "__init__.py").touch()
    (tmp_path / "moto" / "server.py").write_text("raise SystemExit('the disk is full')", encoding="utf-8")
    done = local_stack("start", folder, "--services", "postgres,s3", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "s3 ended by itself with exit code 1" in done.stderr
    assert "the disk is full" in done.stderr
    assert local_stack("stop", folder).stdout.endswith("no stack is running\n")


def test_a_second_start_is_refused_and_a_killed_supervisor_leaves_nothing(folder: Path) -> None:
    assert local_stack("start", folder, "--services", "postgres,s3").returncode == 0
    processes = services(folder)
    try:
        again = local_stack("start", folder, "--services", "s3")
        assert again.returncode == 2
        assert f"a stack is running (pid {processes['supervisor'].pid})" in again.stderr
        assert (folder / "env").stat().st_mode & 0o777 == 0o600
        processes["supervisor"].kill()
        until(lambda: ended(processes["supervisor"]))
        refused = local_stack("start", folder, "--services", "s3")
        assert refused.returncode == 2
        assert "was killed and may have left processes" in refused.stderr
        assert not ended(processes["postgres"])
    finally:
        assert local_stack("stop", folder).returncode == 0
    assert all(ended(process) for process in processes.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cluster_with_mlflow_on_postgres_and_s3(folder: Path) -> None:
    with running(folder, "--workers", "2") as variables:
        processes = services(folder)
        family = [each for one in processes.values() for each in [one, *one.children(recursive=True)]]
        run = json.loads((folder / "state.json").read_text(encoding="utf-8"))["run"]
        assert set(processes) == {"supervisor", "postgres", "s3", "mlflow", "ray-head", "ray-worker-1", "ray-worker-2"}

        done = python(ROUND_TRIP, variables)
        assert done.returncode == 0, done.stderr
        import boto3

        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        key, secret = (variables[name] for name in names)
        s3 = boto3.client(
            "s3", endpoint_url=variables["AWS_ENDPOINT_URL"], aws_access_key_id=key, aws_secret_access_key=secret,
            region_name=variables["AWS_DEFAULT_REGION"],
        )  # fmt: skip
        kept = [each["Key"] for each in s3.list_objects_v2(Bucket=variables["MLFLOW_BUCKET"])["Contents"]]
        s3.close()
        assert [key.rpartition("/")[2] for key in kept] == ["greeting.txt"]

        api = f"{variables['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/experiments/search?max_results=1"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(api, timeout=10)
        refused.value.close()
        assert refused.value.code == 401

        done = python(NODES, variables)
        assert done.returncode == 0, done.stderr
        nodes, there = (json.loads(line) for line in done.stdout.splitlines())
        assert sorted(nodes) == [["ray-head"], ["ray-worker-1"], ["ray-worker-2"]]
        assert there == "there"
        stranger = {**variables, "RAY_AUTH_TOKEN": "0" * 64}
        assert python(NODES, stranger).returncode != 0

        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{variables['RAY_API_SERVER_ADDRESS']}/api/jobs/", timeout=10)
        refused.value.close()
        assert refused.value.code == 401

        assert local_stack("status", folder).returncode == 0
        secrets = {value for value in variables.values() if len(value) == 64}
        commands = " ".join(" ".join(each.cmdline()) for each in family if not ended(each))
        assert not [secret for secret in secrets if secret in commands]
        family += [each for one in processes.values() for each in one.children(recursive=True)]
    assert all(ended(each) for each in family)
    assert not Path(run).exists()
    assert sorted(each.name for each in folder.iterdir()) == ["lock", "logs"]
