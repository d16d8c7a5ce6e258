"""Commands in this process, as `main` runs them: what they say, their exit code, and how long they may take."""

from __future__ import annotations

import contextlib
import io
import re
import signal
import sys
from dataclasses import dataclass
from typing import Any
from unittest import mock

from study.cli import main

LIMIT_S = 60  # of the processor's time
LONGEST = 1_100  # characters of a refusal


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class TakesTooLongError(BaseException):
    """A command that does not come to an end; no `except Exception` stops it."""


def run(*words: str) -> Said:
    """A command to its end; whatever but an exit leaves it is raised."""
    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        with (
            mock.patch.object(sys, "argv", ["study", *words]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as left:
        return Said(int(left.code or 0), out.getvalue(), err.getvalue())
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    raise AssertionError("main ends by an exit")


def check_answer(said: Said) -> None:
    """It did what it does, with 0 or 1, or refused with 2 and a line for each mistake, none too long to be read."""
    assert said.code in (0, 1, 2), said
    assert "Traceback" not in said.out + said.err, said
    if said.code == 2:
        lines = [line for line in said.err.splitlines() if not re.match(r"\s*\d+ s ", line)]  # what it was at
        assert lines[0].startswith("error: "), said
        assert all(line.startswith("  ") for line in lines[1:]), said
        assert (len(lines) > 1) == (" in the file" in lines[0] and "more mistake" in lines[0]), said
        assert max(map(len, lines)) < LONGEST, said


def check_no_cluster() -> None:
    """No command started Ray."""
    ray = sys.modules.get("ray")
    assert ray is None or not ray.is_initialized()


def _too_long(*_: Any) -> None:
    raise TakesTooLongError(f"more than {LIMIT_S} s")
