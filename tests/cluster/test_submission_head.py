"""The same story on a real head of Ray's, with its own job server and token authentication."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.conftest import ON_ALL_NODES, Laptop
from tests.cluster.story import stop_in_the_middle, tell

pytest.importorskip("aiohttp_cors", reason="a job server needs ray[default], which is not installed here")

START_S = 120.0


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """Address, token and the studies' home of a head of this machine's, with ports and a folder of its own."""
    token, home = secrets.token_hex(32), tmp_path_factory.mktemp("head") / "studies"
    port, dashboard, agent, metrics = free_ports(4)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "RAY_"))}
    binaries = Path(sys.executable).parent
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as scratch:  # its sockets' names may not be long
        command = [
            str(binaries / "ray"), "start", "--head", "--block", "--disable-usage-stats", "--num-cpus", "2",
            "--node-ip-address", "127.0.0.1", "--port", str(port), "--temp-dir", scratch,
            "--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard),
            "--dashboard-agent-listen-port", str(agent), "--metrics-export-port", str(metrics),
            "--object-store-memory", str(100 * 2**20),
        ]  # fmt: skip
        with open(Path(scratch, "head.log"), "wb") as log:
            process = subprocess.Popen(
                command,
                env=kept
                | {
                    "RAY_AUTH_MODE": "token",
                    "RAY_AUTH_TOKEN": token,
                    "STUDY_HOME": str(home),
                    "PATH": os.pathsep.join([str(binaries), os.environ["PATH"]]),
                },
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{dashboard}"
            _wait_for(address, process, Path(scratch, "head.log"))
            yield address, token, home
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/api/version", timeout=2).close()
        except urllib.error.HTTPError as answer:
            if answer.code == 401:  # it is up, and asks for a token
                return
        except OSError:
            time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_story_on_a_real_head(head: tuple[str, str, Path], tmp_path: Path) -> None:
    address, token, home = head
    laptop = Laptop(tmp_path, address, token, ON_ALL_NODES)
    tell(laptop, home)
    stop_in_the_middle(laptop)
