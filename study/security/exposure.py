"""What of our studies others could reach: open ports, readable tokens, shared folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from study.records.paths import Home
from study.security.ray_token import token_file
from study.tracking.server import is_loopback

OURS = ("gcs_server", "raylet", "ray::", "mlflow", "study ")  # what the names or commands of our processes hold
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "lustre", "ceph", "gluster", "sshfs", "beegfs", "gpfs", "afs")


@dataclass(frozen=True)
class Listener:
    """A process of this user's that a network can reach."""

    pid: int
    name: str
    address: str
    port: int


def open_ports() -> list[Listener]:
    """Processes of this user's studies, Ray or MLflow that listen on more than the loopback address."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid", "name", "uids", "cmdline"]):
        try:
            if process.uids().real != os.getuid():
                continue
            kind = _kind(process.name(), process.cmdline())
            if kind is None:
                continue
            found += [
                Listener(process.pid, kind, connection.laddr.ip, connection.laddr.port)
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN and not is_loopback(connection.laddr.ip)
            ]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return sorted(found, key=lambda each: (each.name, each.pid, each.port))


def readable_secrets(home: Home) -> list[Path]:
    """Files with a token or with passwords that others than their owner may read."""
    files = [token_file(), *home.mlflow_auth.glob("*.db"), *home.mlflow_auth.glob("*.ini")]
    return [file for file in files if file.is_file() and _open_to(file, stat.S_IRGRP | stat.S_IROTH)]


def shared_places(home: Home) -> Iterator[tuple[Path, str]]:
    """Places of the studies that others may change, or that other machines see, with what to do about it."""
    for path in (home.root, home.root / "mlflow.db", home.mlflow_artifacts):
        if path.exists() and _open_to(path, stat.S_IWOTH):
            yield path, f"every user of this machine may change it, MLflow's store has no password; chmod o-w {path}"
    if (home.root / "mlflow.db").is_file() and (kind := _network_file_system(home.root)):
        yield (
            home.root,
            f"MLflow's store lies on {kind}, where every machine that mounts it reads it without a password; let "
            "tracking.uri name a server, or set STUDY_HOME to a local folder",
        )


def _kind(name: str, command: list[str]) -> str | None:
    """`raylet`, `mlflow`, ...; None where the process is none of ours."""
    said = " ".join([name, *command[:4]])
    return next((mark.strip(" :") for mark in OURS if mark in f"{said} "), None)


def _open_to(path: Path, others: int) -> bool:
    """Whether the mode of `path` gives others one of these rights, and every folder on the way lets them through."""
    way = [*path.absolute().parents]
    return bool(path.stat().st_mode & others) and all(
        folder.stat().st_mode & (stat.S_IXOTH | stat.S_IXGRP) for folder in way
    )


def _network_file_system(path: Path) -> str | None:
    import psutil

    mounts = [part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)]
    kind = max(mounts, key=lambda part: len(part.mountpoint)).fstype.lower() if mounts else ""
    return kind if any(name in kind for name in NETWORK_FILE_SYSTEMS) else None
