"""What the GPU reaches at most: bytes copied within its memory, and products of large matrices. A line of JSON each.

    python -m benchmarks.gpu_ceilings
    python -m benchmarks.gpu_ceilings --device cpu --size 256      a smoke test

Random numbers, not zeros, which some chips multiply faster; the median of `--rounds`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch


def median_s(call: Callable[[], object], rounds: int, device: str) -> float:
    """Seconds of a call."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    seconds = []
    for _ in range(rounds + 3):
        wait()
        began = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[3:])


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--size", type=int, default=8192, help="rows and columns of the matrices")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    size, device = arguments.size, arguments.device
    source = torch.randn(8 * size, 4 * size, device=device)
    target = torch.empty_like(source)
    seconds = median_s(lambda: target.copy_(source), arguments.rounds, device)
    print(json.dumps({"ceiling": "copy", "device": device, "bytes_per_s": 2 * source.nbytes / seconds}), flush=True)
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = median_s(lambda: left @ right, arguments.rounds, device)
    print(json.dumps({"ceiling": "product", "device": device, "flop_per_s": 2 * size**3 / seconds}), flush=True)


if __name__ == "__main__":
    main()
