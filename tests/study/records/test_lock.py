"""One writer per study, and a lock that goes with its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.errors import StudyError
from study.records.lock import WriterLock, is_held, owner

HOLD = """
import sys
from pathlib import Path
from study.records.lock import WriterLock
with WriterLock(Path(sys.argv[1]), "study launch"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine" / "writer.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_holder_is_refused_by_name_of_the_first(path: Path) -> None:
    with WriterLock(path, "study launch"):
        with pytest.raises(StudyError) as refused, WriterLock(path, "study sync"):
            pass
        assert is_held(path)
    assert "study 'mine' is being written by 'study launch'" in str(refused.value)
    assert f"process {os.getpid()} on" in str(refused.value)
    assert str(refused.value).endswith("or end it with Ctrl-C there, or by 'study stop mine'")
    with WriterLock(path, "study sync"), pytest.raises(StudyError, match=r"with Ctrl-C there$"), WriterLock(path, ""):
        pass  # which nothing but Ctrl-C stops


def test_the_lock_holds_against_other_processes(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(StudyError, match=f"process {holder.pid} on"), WriterLock(path, "study launch"):
        pass
    assert is_held(path)


def test_the_lock_is_free_after_its_block_and_after_an_exception_in_it(path: Path) -> None:
    with WriterLock(path, "study launch"):
        pass
    assert not is_held(path)
    with pytest.raises(RuntimeError), WriterLock(path, "study launch"):
        raise RuntimeError
    assert not is_held(path)
    with WriterLock(path, "study sync"):
        assert "'study sync'" in owner(path)


def test_kill_9_of_its_holder_frees_the_lock(path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert path.is_file()
    assert not is_held(path)
    with WriterLock(path, "study launch"):
        assert f"process {os.getpid()}" in owner(path)


def test_asking_who_holds_a_lock_that_never_was_makes_none(path: Path) -> None:
    assert not is_held(path)
    assert owner(path) == "another process"
    assert not path.exists()
