"""Real servers for tests, as `docker/local-stack` starts them: Postgres, S3, MLflow on both, a Ray cluster."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


def local_stack(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with these arguments."""
    return subprocess.run(
        [ROOT / "docker" / "local-stack", *arguments],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def told(folder: Path) -> dict[str, str]:
    """The variables that `. FOLDER/env` sets."""
    lines = (folder / "env").read_text(encoding="utf-8").splitlines()
    return dict(shlex.split(line)[1].split("=", 1) for line in lines)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[dict[str, str]]:
    """A stack, by the variables that it tells; ended with the block."""
    started = local_stack("start", folder, *options)
    assert started.returncode == 0, started.stdout + started.stderr
    try:
        yield told(folder)
    finally:
        ended = local_stack("stop", folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
