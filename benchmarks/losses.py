"""Forward and backward pass of every loss against `torch.nn.functional.cross_entropy`, as ratios.

    python -m benchmarks.losses                    every family, 1024 x 100, 512 x 10 and 512 x 100
    python -m benchmarks.losses --repeats 3        a smoke test

Every loss is made with its defaults (matrices: uniform similarity, balanced infogain, a transition of symmetric noise)
and called in training mode on the same logits. The losses take turns, `--calls` calls each, and the fastest of
`--repeats` turns counts; cross entropy is one of them. One thread. Where there is a GPU, the same there, and in other
batch sizes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.machine import describe_run, headline, write_json
from trainables.losses import FAMILIES, make_loss
from trainables.losses.matrices import balanced_matrix

SIZES = [(1024, 100), (512, 10), (512, 100)]
SIZES_GPU = [*SIZES, (128, 10), (4096, 100), (16384, 100)]
BASELINE = "F.cross_entropy"
Step = Callable[[], None]


def setting(family: str, num_classes: int) -> dict[str, Any]:
    """What a family needs beside its defaults."""
    known = FAMILIES[family].hyperparameters
    given: dict[str, Any] = {}
    if "similarity" in known and family != "simloss":
        given["similarity"] = "uniform"
    if "matrix" in known:
        given["matrix"] = balanced_matrix(range(1, num_classes + 1))
    if "transition" in known:
        given["transition"] = 0.6 * torch.eye(num_classes) + 0.4 / num_classes
    return given


def make_steps(batch: int, num_classes: int, device: str) -> dict[str, Step]:
    """One forward and backward pass of each loss."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, num_classes, generator=generator).to(device).requires_grad_()
    targets = torch.randint(0, num_classes, (batch,), generator=generator).to(device)
    indices = torch.randperm(10 * batch, generator=generator)[:batch].to(device)

    def step_of(loss: Callable[..., torch.Tensor], leaves: list[torch.Tensor]) -> Step:
        def step() -> None:
            torch.autograd.grad(loss(logits, targets, indices), leaves)

        return step

    steps = {BASELINE: step_of(lambda z, y, _: F.cross_entropy(z, y), [logits])}
    for family in FAMILIES:
        loss = make_loss(family, num_classes=num_classes, num_samples=10 * batch, **setting(family, num_classes)).to(
            device
        )
        steps[family] = step_of(loss, [logits, *loss.parameters()])
    return steps


def fastest(steps: dict[str, Step], calls: int, repeats: int, device: str) -> dict[str, float]:
    """Seconds of one call of each step, the best of its turns."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(repeats):
        for name, step in steps.items():
            step()
            wait()
            began = time.perf_counter()
            for _ in range(calls):
                step()
            wait()
            best[name] = min(best[name], (time.perf_counter() - began) / calls)
    return best


def measure(batch: int, num_classes: int, device: str, calls: int, repeats: int) -> dict[str, Any]:
    """Times and ratios of one size on one device."""
    seconds = fastest(make_steps(batch, num_classes, device), calls, repeats, device)
    ratios = {name: value / seconds[BASELINE] for name, value in seconds.items()}
    return {"device": device, "batch": batch, "classes": num_classes, "seconds": seconds, "ratios": ratios}


def print_table(columns: list[dict[str, Any]]) -> None:
    """Ratios, a row for each loss; microseconds of cross entropy in the first row."""
    heads = [f"{c['device']} {c['batch']} x {c['classes']}" for c in columns]
    print("| loss | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    print(f"| {BASELINE} | " + " | ".join(f"{c['seconds'][BASELINE] * 1e6:.0f} µs" for c in columns) + " |")
    for family in FAMILIES:
        print(f"| {family} | " + " | ".join(f"{c['ratios'][family]:.2f}" for c in columns) + " |")


def main() -> None:
    """Measure every size on every device, print and keep the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20, help="calls in one turn")
    parser.add_argument("--repeats", type=int, default=40, help="turns of each loss; the fastest counts")
    parser.add_argument("--device", choices=("cpu", "cuda", "both"), default="both", help="where to measure")
    parser.add_argument("--lines", action="store_true", help="print a line of JSON for each size instead")
    parser.add_argument("--json", type=Path, help="write raw results here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = describe_run()
    torch.empty(
        7_500_000
    ).zero_()  # as a training process has done: malloc then keeps memory instead of mapping it anew
    sizes = [("cpu", size) for size in SIZES if arguments.device != "cuda"]
    sizes += [("cuda", size) for size in SIZES_GPU if arguments.device != "cpu" and torch.cuda.is_available()]
    columns = []
    for device, size in sizes:
        columns.append(measure(*size, device, arguments.calls, arguments.repeats))
        if arguments.lines:
            print(json.dumps(columns[-1]), flush=True)
    if arguments.lines:
        return
    print(headline(facts))
    print_table(columns)
    write_json(arguments.json, {"facts": facts, "columns": columns})


if __name__ == "__main__":
    main()
