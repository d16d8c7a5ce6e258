"""What a job of this machine's runs on a cluster's head: `python -m study.remote.head WORDS`.

`launch FILE ...` and `confirm NAME ...` become the driver of a study; `ask COMMAND ...` says how a command ended;
`pack NAME` and `piece FILE NUMBER` bring a study home. Answers go through the job's log, in frames.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from study.errors import StudyError
from study.records.paths import Home
from study.remote.framing import framed

PIECE_BYTES = 16 * 2**20  # of an archive, in the log of one job
MOST_BYTES = 2 * 2**30  # that are brought home through logs
KEPT_S = 24 * 3600.0  # an archive that nobody fetched to its end
COMMAND = (sys.executable, "-m", "study.cli")
DEFAULT_HOME = "studies"  # where STUDY_HOME says nothing; below the home folder, since a job's own does not last


def main(words: Sequence[str]) -> None:
    """Do what `words` say; a mistake is part of the answer, never a traceback."""
    home = Path(os.environ.get("STUDY_HOME") or DEFAULT_HOME).expanduser()
    os.environ["STUDY_HOME"] = str(Path.home() / home)
    action, *rest = words
    if action == "launch":
        _drive("launch", str(_landed(Path(rest[0]))), *rest[1:])
    if action == "confirm":
        _drive(action, *rest)
    try:
        if action == "ask":
            _ask(rest)
        elif action == "pack":
            _pack(rest[0], weights="--no-weights" not in rest, checkpoints="--checkpoints" in rest)
        else:
            _send_piece(_outgoing() / Path(rest[0]).name, int(rest[1]))
    except StudyError as mistake:
        _answer(2, json.dumps({"error": str(mistake)}), "")


def _drive(*words: str) -> NoReturn:
    """Become the command: signals of the job server reach it as they are."""
    os.execv(COMMAND[0], [*COMMAND, *words])


def _landed(file: Path) -> Path:
    """The study file in a folder that outlasts the job's, with the user's own files beside it."""
    from study.remote.code import PLATFORM

    here = Path.cwd()
    others = {*PLATFORM, "__pycache__"}
    files = {path.relative_to(here): path for path in sorted(here.rglob("*")) if path.is_file()}
    own = {name: path for name, path in files.items() if others.isdisjoint(name.parts)}
    digest = hashlib.sha256()
    for name, path in own.items():
        digest.update(f"{name}\0".encode() + path.read_bytes())
    folder = Home.current().submitted / digest.hexdigest()[:16]
    if not folder.is_dir():
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        for name, path in own.items():
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        draft.rename(folder)
    return folder / file


def _ask(words: Sequence[str]) -> None:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    _answer(done.returncode, done.stdout, done.stderr)


def _pack(name: str, *, weights: bool, checkpoints: bool) -> None:
    from study.remote.archive import pack

    paths, folder = Home.current().existing(name), _outgoing()
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_S:
            old.unlink(missing_ok=True)
    archive = folder / f"{name}-{secrets.token_hex(8)}"
    manifest = pack(paths, archive, weights=weights, checkpoints=checkpoints)
    if manifest.bytes > MOST_BYTES:
        archive.unlink()
        size = f"{manifest.bytes / 1e9:.1f} GB, more than the {MOST_BYTES / 1e9:.1f} that go through a job server"
        raise StudyError(
            f"study '{name}' comes to {size}; leave out --checkpoints, say --no-weights, or copy its folder otherwise"
        )
    pieces = -(-manifest.bytes // PIECE_BYTES)
    _answer(0, json.dumps({"manifest": manifest.as_json(), "archive": archive.name, "pieces": pieces}), "")
    _send_piece(archive, 0)


def _send_piece(archive: Path, number: int) -> None:
    """The archive goes with its last piece."""
    if not archive.is_file():
        raise StudyError(f"archive {archive.name} is gone from the head; pull again")
    with archive.open("rb") as file:
        file.seek(number * PIECE_BYTES)
        _say("piece", file.read(PIECE_BYTES))
    if number:
        _answer(0, "{}", "")
    if (number + 1) * PIECE_BYTES >= archive.stat().st_size:
        archive.unlink()


def _outgoing() -> Path:
    folder = Home.current().outgoing
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _answer(code: int, out: str, err: str) -> None:
    _say("answer", zlib.compress(json.dumps({"code": code, "out": out, "err": err}).encode()))


def _say(kind: str, payload: bytes) -> None:
    sys.stdout.write("\n" + "\n".join(framed(kind, payload)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
