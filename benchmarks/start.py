"""How soon a study on cached data trains, and how much memory its data takes.

    python -m benchmarks.start       50,000 + 10,000 images in CIFAR-10's real format, made up

first     a study of TCE table 2's CIFAR-10 column is planned and its first trial takes its first step, nothing cached
second    the same in a new process: data, split, noise and statistics are found in the cache

Seconds run from the study file to the end of the first step of one batch; importing the libraries is given apart.
Memory is the proportional set size (PSS) of the mapped images over two processes that have read all of them: one copy
of the data is 1.0.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe_run, headline, write_json
from trainables.data.fixtures import write_synthetic

GOAL_S = 3.0

WORKER = """
import sys, time
began = time.perf_counter()
import torch
from pathlib import Path
from dataclasses import replace
from study.records.paths import find_study_file
from study.planning.plan import make_plan
from study.spec.study_file import load_spec
from trainables.data.task import load_task
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
torch.set_num_threads(1)
imported = time.perf_counter()
spec, _ = load_spec(find_study_file("tce-table2-cifar10"), ["paper=null"], Path(sys.argv[1]))
plan = make_plan(spec, Path(sys.argv[2]))
trial = plan.cells[0].configs[0].trial(0)
data = load_task(trial["dataset"], trial["split"], trial["noise"], Path(sys.argv[2]))
batch = replace(data, train_index=data.train_index[:128], val_index=data.val_index[:1])
data.pixel_statistics
lane = make_lane("first", trial, batch)
array = LaneArray(batch, trial["model"], trial["training"])
array.add(lane)
array.advance()
print(imported - began, time.perf_counter() - imported, flush=True)
if len(sys.argv) > 3:
    for start in range(0, len(data.pool.labels), 1000):
        data.pool.images[start : start + 1000].sum()
    print("ready", flush=True)
    sys.stdin.read()
"""


def start(root: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    """A process that takes the first step of a study's first trial."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(root), str(cache), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, cwd=ROOT,
    )  # fmt: skip


def seconds_of(worker: subprocess.Popen[str]) -> dict[str, float]:
    """What it says of its imports and of the way to its first step."""
    assert worker.stdout is not None
    imports, first_step = map(float, worker.stdout.readline().split())
    return {"imports_s": imports, "first_step_s": first_step}


def copies_in_memory(root: Path, cache: Path) -> float:
    """PSS of the images over two processes that hold them, in copies of the file."""
    holders = [start(root, cache, "hold") for _ in range(2)]
    file = max(cache.glob("datasets/*/images.npy"), key=lambda path: path.stat().st_size)
    try:
        for holder in holders:
            seconds_of(holder)
            assert holder.stdout is not None
            holder.stdout.readline()
        return sum(mapped(holder.pid, file) for holder in holders) / file.stat().st_size
    finally:
        for holder in holders:
            holder.communicate()


def mapped(pid: int, file: Path) -> int:
    """Bytes of a mapped file's proportional set size in a process."""
    ours, total = False, 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            ours = line.endswith(str(file))
        elif ours and line.startswith("Pss:"):
            total += int(line.split()[1]) * 1024
    return total


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="second starts; the fastest counts")
    parser.add_argument("--json", type=Path, help="write raw results here")
    arguments = parser.parse_args()
    facts = describe_run()
    with tempfile.TemporaryDirectory() as scratch:
        root, cache = Path(scratch, "data"), Path(scratch, "cache")
        write_synthetic("cifar10", root, images_per_class=5000)
        first = _ended(start(root, cache))
        seconds = [_ended(start(root, cache)) for _ in range(arguments.repeats)]
        second = min(seconds, key=lambda each: each["first_step_s"])
        copies = copies_in_memory(root, cache)
    results: dict[str, Any] = {"first": first, "second": second, "seconds": seconds, "copies": copies}
    print(headline(facts))
    print(json.dumps(results, indent=2))
    print(f"second start: {second['first_step_s']:.2f} s to the first step (goal {GOAL_S:g} s)")
    print(f"{copies:.2f} copies of the data in two processes (goal 1)")
    write_json(arguments.json, {"facts": facts, **results})


def _ended(worker: subprocess.Popen[str]) -> dict[str, float]:
    seconds = seconds_of(worker)
    worker.communicate()
    return seconds


if __name__ == "__main__":
    main()
