"""Every shell script of the repository, by shellcheck."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.dockerfile import ROOT


def scripts() -> list[str]:
    """Files that git tracks and a shell runs."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in names.strip("\0").split("\0"):
        path = ROOT / name
        first = path.read_bytes().partition(b"\n")[0] if path.is_file() else b""
        if first.startswith(b"#!") and first.endswith(b"sh"):
            found.append(name)
    return found


SCRIPTS = scripts()


def test_there_are_scripts() -> None:
    assert {"docker/local-stack", "docker/make-secrets"} <= set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(name: str) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([checker, ROOT / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
