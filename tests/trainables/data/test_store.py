"""One cache, many processes: whole entries or none, the same for everyone who asks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from trainables.data.store import cached_arrays
from trainables.data.task import TaskData

LOADER = """
import json, sys, time
from pathlib import Path
import sklearn.datasets, sklearn.discriminant_analysis, sklearn.model_selection
from trainables.data.task import load_task
cache, go = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
noise = {"kind": "uniform", "rate": 0.2, "seed": 7}
data = load_task({"name": "digits"}, {"holdout": 0.2, "seed": 3}, noise, cache)
print(json.dumps([data.pool.digest, data.split_digest, data.noise_digest, data.similarity("lda").tolist()]))
"""


def test_processes_that_fill_one_fresh_cache_at_once_all_read_the_same(digits: TaskData, tmp_path: Path) -> None:
    cache, go = tmp_path / "cache", tmp_path / "go"
    command = [sys.executable, "-c", LOADER, str(cache), str(go)]
    root = Path(__file__).parents[3]
    loaders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)]
    for loader in loaders:
        assert loader.stdout.readline() == "ready\n"
    go.touch()
    answers = [json.loads(loader.communicate(timeout=60)[0]) for loader in loaders]
    assert [loader.returncode for loader in loaders] == [0, 0, 0]
    for answer in answers:
        assert answer[:3] == [digits.pool.digest, digits.split_digest, digits.noise_digest]
        np.testing.assert_allclose(answer[3], digits.similarity("lda"), atol=1e-10)
    assert [path.name for path in cache.rglob(".*")] == []  # no loser left its draft behind


def test_what_one_makes_the_others_wait_for(tmp_path: Path) -> None:
    makers: list[int] = []

    def make(number: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        makers.append(number)
        time.sleep(0.1)
        return {"x": np.array([number])}, {"by": number}

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: cached_arrays(tmp_path / "entry", lambda: make(number)), range(4)))
    assert len(makers) == 1
    assert [(arrays["x"].tolist(), facts) for arrays, facts in found] == [(makers, {"by": makers[0]})] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_where_the_file_system_knows_no_locks_the_loser_reads_what_the_winner_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlocked(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", unlocked)
    folder = tmp_path / "entry"

    def slower() -> tuple[dict[str, np.ndarray], dict[str, str]]:
        cached_arrays(folder, lambda: ({"x": np.array([1])}, {"by": "winner"}))
        return {"x": np.array([2])}, {"by": "loser"}

    arrays, facts = cached_arrays(folder, slower)
    assert (arrays["x"].tolist(), facts) == ([1], {"by": "winner"})
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_failure_while_making_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full_disk)
        with pytest.raises(OSError, match="no space left"):
            cached_arrays(tmp_path / "entry", lambda: ({"x": np.array([1])}, {}))
    assert list(tmp_path.iterdir()) == []
    assert cached_arrays(tmp_path / "entry", lambda: ({"x": np.array([1])}, {}))[0]["x"].tolist() == [1]
