"""A launch with passwords: none is in anything that is written or said, and nothing listens where a network reaches."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from study.tracking.server import is_loopback
from tests.launch.conftest import Place, free_port, started

SHORT = ("--set", "training.epochs=1", "--set", "search.repeats=1")
SENTINEL = re.compile(r"s3ntinel", re.IGNORECASE)
SECRETS = {
    "MLFLOW_PASSWORD": "url-s3ntinel/1",
    "MLFLOW_TRACKING_TOKEN": "token-s3ntinel",
    "AWS_ACCESS_KEY_ID": "id-s3ntinel",
    "AWS_SECRET_ACCESS_KEY": "key-s3ntinel",
    "STUDY_DASHBOARD_PASSWORD": "dashboard-s3ntinel",
}
ASK = """
import sys
from ray._raylet import GcsClient
print("let in", len(GcsClient(address=sys.argv[1]).get_all_node_info()))
"""


def holding_a_secret(folder: Path) -> list[str]:
    """Files of `folder`, SQLite's logs among them, whose name or bytes hold a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        str(path) for path in files if SENTINEL.search(str(path)) or SENTINEL.search(path.read_text(errors="ignore"))
    ]


@pytest.mark.slow
def test_no_password_is_in_anything_that_a_study_writes_or_says(place: Place, tmp_path: Path) -> None:
    port = free_port()
    server = tmp_path / "server"
    server.mkdir()
    uri = f"http://user:${{MLFLOW_PASSWORD}}@127.0.0.1:{port}"
    place.write((place.root / "tiny.yaml").read_text() + f"tracking: {{uri: '{uri}'}}\n")
    store = ("--backend-store-uri", f"sqlite:///{server}/server.db", "--artifacts-destination", str(server))
    with started(f"http://127.0.0.1:{port}/health", "mlflow", "server", *store, "--port", str(port), "--workers", "1"):
        said = [place.run("launch", "tiny.yaml", *SHORT, "--json", **SECRETS)]
        for command in ("status tiny --json", "sync tiny --json", "report tiny", "export tiny --out out --register"):
            said.append(place.run(*command.split(), **SECRETS))
    for command in (
        "sync tiny",
        "launch tiny.yaml --set training.epochs=2",
        "dashboard --study tiny",
        "delete tiny --yes",
    ):
        said.append(place.run(*command.split(), expect=2))
        assert "tracking.uri needs ${MLFLOW_PASSWORD}" in said[-1].stderr
    for command in ("status tiny", "compare tiny --json", "report tiny", "export tiny --out out --no-weights"):
        said.append(place.run(*command.split()))
    said.append(place.run("sync", "tiny", expect=2, **SECRETS))  # its server is gone
    assert place.rows("select count(*) from trials where state = 'completed'") == [(6,)]
    assert (server / "server.db").is_file()
    assert not [done.args for done in said if SENTINEL.search(done.stdout + done.stderr)]
    assert not holding_a_secret(place.home)
    assert not holding_a_secret(place.root / "out")
    assert not holding_a_secret(server)
    assert "${MLFLOW_PASSWORD}" in (place.home / "tiny" / "study.yaml").read_text()


def test_a_study_tracked_with_a_password_is_refused_without_it_before_anything_starts(place: Place) -> None:
    uri = "http://user:${MLFLOW_PASSWORD}@127.0.0.1:9"
    said = place.run("launch", "tiny.yaml", "--set", f"tracking.uri={uri}", expect=2).stderr
    assert said.count("\n") == 1
    assert "export MLFLOW_PASSWORD=" in said
    assert not (place.home / "tiny").exists()


def test_what_ray_starts_listens_on_the_loopback_address_and_asks_for_a_private_token(place: Place) -> None:
    home = place.root / "home"
    home.mkdir()
    launched = place.start("launch", "tiny.yaml", "--set", "training.epochs=4000", group=True, HOME=str(home))
    try:
        address, listening = _listening(psutil.Process(launched.pid))
        assert {ip for ip, _ in listening if not is_loopback(ip)} == set()
        token = home / ".ray" / "auth_token"
        assert token.stat().st_mode & 0o777 == 0o600
        assert "let in 1" in _ask(address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token.read_text())
        for shown in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):
            assert "Unauthenticated" in (said := _ask(address, **shown))
            assert "let in" not in said
    finally:
        launched.send_signal(2)
        launched.communicate(timeout=120)


def _ask(address: str, **shown: str) -> str:
    """What Ray's head answers to a question, in the first seconds: its client asks again and again."""
    asked = subprocess.Popen(
        [sys.executable, "-c", ASK, address], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **shown},
    )  # fmt: skip
    try:
        return asked.communicate(timeout=20)[0]
    except subprocess.TimeoutExpired:
        asked.kill()
        return asked.communicate()[0]


def _listening(driver: psutil.Process) -> tuple[str, list[tuple[str, int]]]:
    """The address of the cluster that a launch started, and where its processes listen, once one of them trains."""
    began = time.monotonic()
    while time.monotonic() - began < 120:
        found, training = list[tuple[str, int, str]](), False
        for process in [driver, *driver.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # it has just ended
                found += [
                    (connection.laddr.ip, connection.laddr.port, process.name())
                    for connection in process.net_connections("tcp")
                    if connection.status == psutil.CONN_LISTEN
                ]
                training = training or "Trainable" in " ".join(process.cmdline())
        if training:
            gcs = next((f"127.0.0.1:{port}" for _, port, name in found if name == "gcs_server"), None)
            if gcs and len(found) >= 4:
                return gcs, [(ip, port) for ip, port, _ in found]
        time.sleep(0.2)
    raise AssertionError("Ray did not start")
