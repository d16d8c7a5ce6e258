"""Where a GPU's time goes in training steps of lanes: the kernels that take most of it, a line of JSON each.

python -m benchmarks.gpu_profile --technique folded --lanes 16
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.lane_work import WORKLOADS, Setting, made_up
from benchmarks.plan import TECHNIQUES

MOST = 20
BATCHES = 3


def main() -> None:
    """Profile an epoch of three batches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, default="resnet")
    parser.add_argument("--technique", choices=TECHNIQUES, default="folded")
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    arguments = parser.parse_args()
    workload, technique = WORKLOADS[arguments.workload], TECHNIQUES[arguments.technique]
    cuda = arguments.device == "cuda"
    with tempfile.TemporaryDirectory() as folder:
        data = made_up(workload, BATCHES * workload.batch, Path(folder))
        training = technique.make(Setting(workload, data, arguments.lanes, arguments.device, technique.precision))
        training.epoch(0)
        with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiled:
            training.epoch(1)
            if cuda:
                torch.cuda.synchronize()
        training.close()
    events = profiled.key_averages()
    times = {event.key: event.self_device_time_total if cuda else event.self_cpu_time_total for event in events}
    calls = {event.key: event.count for event in events}
    total = sum(times.values())
    for name in sorted(times, key=times.__getitem__, reverse=True)[:MOST]:
        row = {"kernel": name[:160], "us": times[name], "share": times[name] / total, "calls": calls[name]}
        about = {"technique": arguments.technique, "lanes": arguments.lanes, "device": arguments.device}
        print(json.dumps(about | row), flush=True)


if __name__ == "__main__":
    main()
