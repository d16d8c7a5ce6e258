"""Every benchmark starts: what it imports is there, and it says what it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if "argparse" in path.read_text("utf-8"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_says_what_it_takes(script: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{script}", "--help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("usage")
