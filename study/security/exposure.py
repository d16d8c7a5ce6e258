"""What of our studies others could reach: open ports, readable tokens, shared folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.paths import Home
from study.redaction import PLACEHOLDER, SECRET_VARIABLES
from study.security.credentials import filled_where_possible
from study.security.ray_token import token_file
from study.tracking import launched_tracking
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
    names = set(SECRET_VARIABLES).union(*map(PLACEHOLDER.findall, _addresses(home)))
    named = [Path(path).expanduser() for name in sorted(names) if (path := os.environ.get(f"{name}_FILE"))]
    files = [token_file(), *home.mlflow_auth.glob("*.db"), *home.mlflow_auth.glob("*.ini"), *named]
    return [file for file in files if file.is_file() and _open_to(file, stat.S_IRGRP | stat.S_IROTH)]


def shared_places(home: Home) -> Iterator[tuple[Path, str]]:
    """Places of the studies that others may change, or that other machines see, with what to do about it."""
    stores = [path for path in (home.root / "mlflow.db", *_stores(home)) if path.exists()]
    for path in dict.fromkeys((home.root, *stores, home.mlflow_artifacts)):
        for whose, others, letters in (
            ("every user of this machine", stat.S_IWOTH, "go"),
            ("its group", stat.S_IWGRP, "g"),
        ):
            if path.exists() and _open_to(path, others):
                yield path, f"{whose} may change it, MLflow's store has no password; chmod {letters}-w {path}"
                break
    for place, said in {path.parent if path.is_file() else path: path for path in stores}.items():
        if kind := _network_file_system(place.resolve()):
            yield (
                place,
                f"MLflow's store {said.name} lies on {kind}, where every machine that mounts it reads it without a "
                "password; let tracking.uri name a server, or a local folder",
            )


def _addresses(home: Home) -> list[str]:
    """The tracking addresses that the studies here were last launched with, as their files have them."""
    found = []
    for name in home.names():
        with suppress(StudyError), Ledger(home.study(name).ledger) as ledger:  # a damaged one is told of by others
            found.append(launched_tracking(ledger).uri)
    return [uri for uri in dict.fromkeys(found) if uri]


def _stores(home: Home) -> Iterator[Path]:
    """The files and folders that the studies' own tracking addresses lead to."""
    for uri in map(filled_where_possible, _addresses(home)):
        scheme, slashes, path = uri.partition("://")
        if scheme.partition("+")[0] == "sqlite":
            yield Path(unquote(path.removeprefix("/").partition("?")[0]))
        elif not slashes or scheme == "file":
            yield Path(unquote(path) if slashes else uri)


def _kind(name: str, command: list[str]) -> str | None:
    """`raylet`, `mlflow`, ...; None where the process is none of ours."""
    said = " ".join([name, *command[:4]])
    return next((mark.strip(" :") for mark in OURS if mark in f"{said} "), None)


def _open_to(path: Path, others: int) -> bool:
    """Whether the mode of `path` gives others one of these rights, and every folder on the way lets them through."""
    way = [*path.resolve().parents]
    return bool(path.stat().st_mode & others) and all(
        folder.stat().st_mode & (stat.S_IXOTH | stat.S_IXGRP) for folder in way
    )


def _network_file_system(path: Path) -> str | None:
    import psutil

    mounts = [part for part in psutil.disk_partitions(all=True) if path.is_relative_to(part.mountpoint)]
    kind = max(mounts, key=lambda part: len(part.mountpoint)).fstype.lower() if mounts else ""
    return kind if any(name in kind for name in NETWORK_FILE_SYSTEMS) else None
