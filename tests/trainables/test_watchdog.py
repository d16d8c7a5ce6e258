"""A process that hangs is ended in time, even while it holds the interpreter's lock, and says where it hung."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from trainables.watchdog import Watchdog, hung_in


def run(tmp_path: Path, body: str, timeout_s: float = 1.0) -> tuple[int, float]:
    """Exit code and seconds of a process with `body` in a function of a module of its own, under a watchdog."""
    folder = tmp_path / "trainables_of_a_user"
    folder.mkdir()
    (folder / "slow.py").write_text("import time, re\ndef forward():\n" + textwrap.indent(body, "    "))
    program = f"""
import sys, time
sys.path.insert(0, {str(folder)!r})
from pathlib import Path
from slow import forward
from trainables.watchdog import Watchdog
dog = Watchdog({timeout_s}, Path({str(tmp_path / "word" / "hang.txt")!r}))
for _ in range(3):
    with dog.watching():
        forward()
time.sleep(1.5 * {timeout_s})  # nothing is watched now
dog.close()
"""
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True)
    return ended.returncode, time.monotonic() - began


@pytest.mark.parametrize(
    "body",
    ["time.sleep(50)", "re.match('(a+)+$', 'a' * 40 + 'b')"],
    ids=["sleeping", "holding the lock"],
)
def test_what_takes_too_long_ends_the_process_and_is_named(body: str, tmp_path: Path) -> None:
    code, seconds = run(tmp_path, body)
    assert code == 1
    assert seconds < 30
    hung = hung_in((tmp_path / "word" / "hang.txt").read_text())
    assert hung is not None
    assert "slow.py, line 3 (forward)" in hung


def test_what_ends_in_time_goes_on_however_often_it_is_watched(tmp_path: Path) -> None:
    assert run(tmp_path, "time.sleep(0.3)")[0] == 0
    assert not (tmp_path / "word" / "hang.txt").exists()


def test_no_word_is_none(tmp_path: Path) -> None:
    assert hung_in("") is None
    dog = Watchdog(9, tmp_path / "hang.txt")
    assert hung_in((tmp_path / "hang.txt").read_text()) is None
    dog.close()
