"""The figures of a GPU are kept row by row, and what breaks takes nothing else with it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu
from benchmarks.gpu import Job, Results, jobs, lines_of
from benchmarks.gpu_table import tables
from benchmarks.machine import ROOT

FACTS = {"date": "a day", "commit": "abc", "gpu": "NVIDIA H200"}
CHILD = """
import sys, time
for each in sys.argv[1:]:
    if each == "hangs":
        time.sleep(60)
    if each == "dies":
        raise SystemExit("no such kernel")
    print('{"name": "' + each + '"}', flush=True)
"""


class Scripted(Job):
    """A job whose process is CHILD."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", CHILD, *self.keys]


def scripted(*keys: str) -> Scripted:
    ids = tuple(f"lanes/x/y/{number}" for number in range(len(keys)))
    return Scripted("lanes", "", (), ids, 1.0, "--lanes", keys)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "gpu-lanes.json").read_text())["rows"]


def test_a_row_that_dies_or_hangs_says_why_and_the_rest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "START_S", 4.0)
    gpu.run(scripted("one", "dies", "two", "hangs", "three"), Results(tmp_path, FACTS), time.monotonic() + 100)
    rows = rows_of(tmp_path)
    assert [row.get("name") for row in rows] == ["one", None, "two", None, "three"]
    assert rows[1]["failed"] == "ended with 1: no such kernel"
    assert rows[3]["failed"].startswith("took more than")
    assert {row["commit"] for row in rows} == {"abc"}


def test_without_time_nothing_is_started_and_nothing_called_failed(tmp_path: Path) -> None:
    gpu.run(scripted("one"), Results(tmp_path, FACTS), time.monotonic() + 1)
    assert not (tmp_path / "gpu-lanes.json").exists()


def test_a_run_goes_on_where_another_stood(tmp_path: Path) -> None:
    Results(tmp_path, FACTS).put("lanes", "lanes/x/y/1", [{"seconds": [1.0]}])
    later = Results(tmp_path, FACTS | {"commit": "def"})
    assert later.has("lanes", "lanes/x/y/1")
    assert not later.has("lanes", "lanes/x/y/2")
    later.put("lanes", "lanes/x/y/2", [{"seconds": [2.0]}])
    assert [row["commit"] for row in rows_of(tmp_path)] == ["abc", "def"]


def test_lines_that_are_no_rows_are_passed_over() -> None:
    said = "print('a warning'); print('{\"a\": 1}')"
    assert list(lines_of([sys.executable, "-c", said], itertools.repeat(20.0))) == [{"a": 1}]


def test_every_row_has_a_name_of_its_own() -> None:
    for smoke in (False, True):
        names = [name for job in jobs("cuda", smoke=smoke) for name in job.ids]
        assert len(names) == len(set(names))


def test_the_tables_judge_the_goals() -> None:
    def row(technique: str, lanes: int, images_per_s: float, workload: str = "resnet") -> dict[str, Any]:
        known = {"workload": workload, "technique": technique, "lanes": lanes, "images": 1000}
        return known | {"seconds": [1000 / images_per_s] * 3}

    documents: dict[str, dict[str, Any]] = {name: {"rows": []} for name in gpu.NAMES}
    assert "Best of many: not measured" in tables(documents)
    documents["lanes"] = {
        "facts": FACTS,
        "rows": [
            row("eager", 1, 40_000),
            row("graph", 1, 200_000),
            row("processes", 16, 450_000),
            row("folded graph", 16, 400_000),
            row("graph tuned", 1, 20_000, "wide"),
            {"workload": "resnet", "technique": "vmap", "lanes": 2, "failed": "no such kernel"},
        ],
    }
    printed = tables(documents)
    assert "400,000 images/s by folded graph, 16 lanes" in printed
    assert "8 times eager single: reached, 10.00 times" in printed
    assert "ahead of N processes at every N: MISSED, 0.89 times" in printed
    assert "500,000 images/s: not reached" in printed
    assert "989 TFLOP/s: reached, 63%" in printed
    assert "| folded graph | 16 | 400,000 | 0% | 10.00 | 25% |" in printed
    assert "| vmap | 2 | failed: no such kernel |" in printed


def test_measuring_needs_no_ray_mlflow_optuna_or_pydantic() -> None:
    """A machine with a GPU may have torch, torchvision, numpy and scikit-learn alone."""
    child = """
import sys
for name in ("ray", "mlflow", "optuna", "pydantic", "platformdirs", "typer", "yaml"):
    sys.modules[name] = None
import benchmarks.gpu, benchmarks.gpu_checks, benchmarks.gpu_rows, benchmarks.gpu_profile, benchmarks.losses
import benchmarks.pipeline, benchmarks.gpu_ceilings
"""
    subprocess.run([sys.executable, "-c", child], check=True, cwd=ROOT)


@pytest.mark.slow
def test_one_command_checks_and_measures(tmp_path: Path) -> None:
    only = ["checks/folded graph", "lanes/tiny/eager/1", "lanes/tiny/folded graph/2"]
    command = [sys.executable, "-m", "benchmarks.gpu", "--smoke", "--results", str(tmp_path), "--only", *only]
    printed = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert "| folded graph | " in printed
    assert [row["id"] for row in rows_of(tmp_path)] == only[1:]
    assert all(len(row["seconds"]) == 2 and row["images"] == 16 * row["lanes"] for row in rows_of(tmp_path))
    assert json.loads((tmp_path / "gpu-checks.json").read_text())["rows"][0]["passed"]
