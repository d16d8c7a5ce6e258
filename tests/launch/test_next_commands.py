"""The commands that a command names at its end are run as they stand there."""

from __future__ import annotations

import os
import re
import time
import urllib.request

import pytest

from tests.launch.conftest import STUDY, Place, free_port

SHORT = ("--set", "training.epochs=2", "--set", "search.repeats=1", "--set", "noise.rate=0.4")
NAMED = re.compile(r"(?<!')\bstudy ((?:[a-z]+)(?: tiny)?)\b")


def commands(said: str) -> list[str]:
    """What stands for itself: a command in quotation marks is spoken of."""
    return NAMED.findall(said.replace("\n", "  "))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_launch_and_confirm_name_next_runs_as_it_stands_there(place: Place) -> None:
    path = f"{STUDY.parent}:{os.environ['PATH']}"
    launched = place.run("launch", "tiny.yaml", *SHORT, PATH=path).stdout
    assert commands(launched) == ["confirm tiny", "dashboard"]
    (folder,) = re.findall(r"Best configurations: (.*)", launched)
    assert sorted(file.name for file in (place.root / folder).glob("*.yaml")) == ["ce.yaml", "tce.yaml"]
    confirmed = place.run(*commands(launched)[0].split(), PATH=path).stdout
    assert commands(confirmed) == ["compare tiny", "report tiny"]
    compare, report = (place.run(*command.split(), PATH=path).stdout for command in commands(confirmed))
    assert "test_accuracy" in compare
    assert (place.home / "tiny" / "report" / "report.html").samefile(place.root / "".join(report.split()))
    check_served(place, "dashboard", PATH=path)
    retrain = place.run("export", "tiny", "--out", "out", PATH=path).stdout
    (train,) = re.findall(r"Retrain one, without Ray: study (.*)", retrain)
    assert "equal to the exported score" in place.run(*train.split(), PATH=path).stdout


def check_served(place: Place, command: str, **environment: str) -> None:
    """A server's command answers; on a port that is free."""
    port = free_port()
    server = place.start(command, "--port", str(port), group=True, MLFLOW_DISABLE_TELEMETRY="true", **environment)
    try:
        deadline = time.monotonic() + 120
        while True:
            assert server.poll() is None, server.communicate()
            assert time.monotonic() < deadline
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.2)
    finally:
        server.terminate()
        server.communicate(timeout=30)
