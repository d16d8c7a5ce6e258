"""Rows of one technique, measured in a process of their own: a line of JSON each, as soon as it is known.

    python -m benchmarks.gpu_rows --workload resnet --technique "folded graph" --lanes 16 64

An epoch is `--batches` batches of every lane and is trained twice before the clock runs: kernels are loaded, chosen and
compiled by then. Run by `gpu.py`, which ends it where a row takes too long.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.lane_work import WORKLOADS, Setting, made_up
from benchmarks.plan import TECHNIQUES
from benchmarks.techniques import Training

ENOUGH_S = 12.0  # of timed epochs, of which there are two at least


def timed_epochs(training: Training, rounds: int, device: str) -> list[float]:
    """Seconds of each of up to `rounds` epochs."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for number in range(2):
        training.epoch(number)
    seconds: list[float] = []
    while len(seconds) < rounds and (len(seconds) < 2 or sum(seconds) < ENOUGH_S):
        wait()
        began = time.perf_counter()
        training.epoch(2 + len(seconds))
        wait()
        seconds.append(time.perf_counter() - began)
    return seconds


def measure(name: str, setting: Setting, rounds: int) -> dict[str, Any]:
    """What the row of a technique says; `failed` is the reason where there is nothing to say."""
    technique, row = TECHNIQUES[name], {"workload": setting.workload.name, "technique": name, "lanes": setting.lanes}
    row |= {"device": setting.device, "precision": setting.precision, "batch": setting.workload.batch}
    torch.backends.cudnn.benchmark = technique.tuned
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    try:
        training = technique.make(setting)
        try:
            row["make_s"] = time.perf_counter() - began
            row["images"] = setting.lanes * len(setting.data.train_index)
            row["seconds"] = timed_epochs(training, rounds, setting.device)
        finally:
            training.close()
    except Exception as problem:
        return row | {"failed": f"{type(problem).__name__}: {problem}".splitlines()[0][:300]}
    if setting.device == "cuda":
        row["peak_bytes"] = torch.cuda.max_memory_reserved()
    return row


def main() -> None:
    """Measure the rows in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, default="resnet")
    parser.add_argument("--technique", choices=TECHNIQUES, required=True)
    parser.add_argument("--lanes", type=int, nargs="+", required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    workload, precision = WORKLOADS[arguments.workload], TECHNIQUES[arguments.technique].precision
    with tempfile.TemporaryDirectory() as folder:
        data = made_up(workload, arguments.batches * workload.batch, Path(folder))
        for lanes in arguments.lanes:
            setting = Setting(workload, data, lanes, arguments.device, precision)
            print(json.dumps(measure(arguments.technique, setting, arguments.rounds)), flush=True)
            gc.collect()
            if arguments.device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
