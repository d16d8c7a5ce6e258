"""What `make` would run, by a dry run of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make to ask")
def test_the_quickstart_launches_and_ends_by_writing_the_report_and_naming_it(tmp_path: Path) -> None:
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    words = ["make", "--dry-run", "quickstart", f"VENV={tmp_path}"]
    recipe = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, env=alone
    ).stdout.splitlines()
    launch, title, report = recipe[-3:]
    assert launch == f"{tmp_path}/bin/study launch quickstart"
    assert title.startswith("echo ")
    assert "report" in title
    assert report == f"{tmp_path}/bin/study report quickstart"  # which prints where the page is
