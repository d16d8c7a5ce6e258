"""A Ray cluster of several nodes on this machine: real processes, each node with ports, folder and cores of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.launch.conftest import free_port

RAY = Path(sys.executable).with_name("ray")
STORE = 78_643_200  # bytes of a node's object store, the least that Ray takes
SOON = {  # a dead node is noticed within seconds
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
READY_S = 90.0


@dataclass
class LocalNode:
    """A node: the process group of its `ray start --block`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """As if the machine lost power."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()


@dataclass
class LocalCluster:
    """A head without cores, and nodes that are added to it. What was started is ended by `close`."""

    token: str = field(default_factory=lambda: secrets.token_hex(16))
    # Ray's sockets must have short paths, which a test's own folder has not.
    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="rc-")))
    port: int = field(default_factory=free_port)
    nodes: dict[str, LocalNode] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to talk to it."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}

    def start_head(self, cpus: int = 0) -> LocalNode:
        ports = ("--port", str(self.port), "--include-dashboard", "false", "--dashboard-port", str(free_port()))
        return self._start("head", "--head", *ports, "--num-cpus", str(cpus))

    def add(self, name: str, cpus: int = 1, *prefix: str, **environment: str) -> LocalNode:
        """A node that joins; `prefix` is a command that runs the rest, as `unshare` does."""
        return self._start(
            name, "--address", self.address, "--num-cpus", str(cpus), prefix=prefix, environment=environment
        )

    def close(self) -> None:
        for node in self.nodes.values():
            node.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def _start(
        self, name: str, *arguments: str, prefix: tuple[str, ...] = (), environment: dict[str, str] | None = None
    ) -> LocalNode:
        folder = self.root / name[0] / str(len(self.nodes))
        folder.mkdir(parents=True)
        log = folder / "said"
        common = ("--block", "--node-name", name, "--temp-dir", str(folder), "--object-store-memory", str(STORE))
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH" and not key.startswith("RAY_")}
        with log.open("wb") as said:
            process = subprocess.Popen(
                [*prefix, str(RAY), "start", *arguments, *common, "--disable-usage-stats"],
                cwd=folder, env={**clean, **self.environment, **SOON, **(environment or {})}, stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        node = self.nodes[name] = LocalNode(name, process, log)
        deadline = time.monotonic() + READY_S
        while b"Ray runtime started" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        return node
