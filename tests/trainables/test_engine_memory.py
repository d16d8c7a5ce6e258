"""The process keeps the memory that it frees."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = 4 * 1024  # of four arrays of four megabytes
CHILD = """
import resource
import numpy as np
from trainables.engine.memory import keep_freed_memory

def faults_of_a_step():
    for step in range(6):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        arrays = [np.full(2**20, 1, np.float32) for _ in range(4)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults_of_a_step())
keep_freed_memory()
keep_freed_memory()
print(faults_of_a_step())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_memory_that_was_freed_is_not_fetched_again_page_by_page() -> None:
    root = Path(__file__).resolve().parents[2]
    child = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, cwd=root)
    before, after = map(int, child.stdout.split())
    assert after < PAGES / 20
    assert before > 10 * after
