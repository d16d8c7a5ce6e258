"""Whether what is measured on a GPU is right: a line of JSON for each check, as soon as it is known.

    python -m benchmarks.gpu_checks                       on the GPU
    python -m benchmarks.gpu_checks --device cpu          the checks themselves

An error is ‖ours − reference‖ / ‖reference‖ of what training changed in the weights, unless a check says otherwise; the
reference is the plain loop on the CPU in float64.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.lane_work import RESNET, TINY, Setting, lane_array, made_up
from benchmarks.plan import TECHNIQUES
from benchmarks.techniques import eager

LANES, STEPS, EPOCHS = 4, 4, 13  # 52 steps are long enough for lanes to drift apart
DOUBLE, SINGLE, TENSOR_FLOAT, INDEPENDENT = 1e-8, 1e-3, 3e-2, 1e-8
TIMES_PLAIN = 2.0  # what bfloat16 costs in lanes, against what it costs a lone network


@dataclass(frozen=True)
class Found:
    """An error and what it may be at most."""

    error: float
    bound: float


Check = Callable[[Setting], Found]


@contextmanager
def exact_float32() -> Iterator[None]:
    """Convolutions and products in float32 itself instead of the matrix units' short form of it."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def change(technique: str, setting: Setting) -> Tensor:
    """What an epoch changes in the weights of every lane, `[lanes, P]` in float64 on the CPU."""
    exact = replace(setting, device="cpu", precision="float64")
    start = [eager(exact, lane).weights() for lane in range(setting.lanes)]
    training = TECHNIQUES[technique].make(setting)
    try:
        training.epoch(0)
        return training.weights().detach().double().cpu() - torch.cat(start).detach()
    finally:
        training.close()


def reference(setting: Setting) -> Tensor:
    """The same by the plain loop on the CPU in float64."""
    exact, rows = replace(setting, device="cpu", precision="float64"), []
    for lane in range(setting.lanes):
        plain = eager(exact, lane)
        before = plain.weights().detach()
        plain.epoch(0)
        rows.append(plain.weights().detach() - before)
    return torch.cat(rows)


def distance(technique: str, setting: Setting) -> float:
    """How far a technique lies from the reference."""
    expected = reference(setting)
    return float((change(technique, setting) - expected).norm() / expected.norm())


def of_technique(name: str, setting: Setting) -> Found:
    """A technique in float64."""
    lanes = 1 if TECHNIQUES[name].lone else setting.lanes
    return Found(distance(name, replace(setting, lanes=lanes, precision="float64")), DOUBLE)


def in_float32(setting: Setting) -> Found:
    """Lanes in float32, its short form in the matrix units switched off."""
    with exact_float32():
        return Found(distance("folded graph", replace(setting, precision="float32")), SINGLE)


def in_usual_float32(setting: Setting) -> Found:
    """Lanes in float32 as torch computes it."""
    return Found(distance("folded", replace(setting, precision="float32")), TENSOR_FLOAT)


def in_bf16(name: str, setting: Setting) -> Found:
    """Lanes in bfloat16: the error as a multiple of that of lone networks in bfloat16."""
    short, expected = replace(setting, precision="bf16"), reference(setting)
    plain = torch.cat([_alone(replace(short, lanes=1), lane) for lane in range(setting.lanes)])
    ours = change(name, short)
    return Found(float((ours - expected).norm() / (plain - expected).norm()), TIMES_PLAIN)


def _alone(setting: Setting, lane: int) -> Tensor:
    training = eager(setting, lane)
    before = training.weights().detach().double().cpu().clone()
    training.epoch(0)
    return training.weights().detach().double().cpu() - before


def independence(others: int, setting: Setting) -> Found:
    """A lane alone and among others, in float64: the largest difference of a weight."""
    found = []
    for lanes in (1, 1 + others):
        training = TECHNIQUES["folded"].make(replace(setting, lanes=lanes, precision="float64"))
        for number in range(EPOCHS):
            training.epoch(number)
        found.append(training.weights()[0].detach().cpu())
    return Found(float((found[0] - found[1]).abs().max()), INDEPENDENT)


def not_a_number(setting: Setting) -> Found:
    """Lanes beside one whose weights are NaN, and beside one that is well: the largest difference of a weight."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        found = []
        for ill in (False, True):
            array = lane_array(replace(setting, precision="float32"))
            if ill:
                array.bank.weights[1] = torch.nan
            array.advance()
            found.append(array.bank.weights[[0, *range(2, setting.lanes)]].cpu())
    finally:
        torch.backends.cudnn.deterministic = before
    return Found(float((found[0] - found[1]).abs().max()), 0.0)


def out_of_memory(setting: Setting) -> Found:
    """An epoch for which the GPU's memory is too small is undone: the largest difference of a weight after it."""
    if setting.device != "cuda":
        raise ValueError("the CPU's memory is not filled on purpose")
    data = made_up(RESNET, RESNET.batch, setting.data.folder)
    array = lane_array(Setting(RESNET, data, 32, "cuda", "bf16"))
    array.program.networks.forward(torch.zeros(32, 2, *RESNET.shape, device="cuda"))
    before = array.bank.weights.clone()
    torch.cuda.empty_cache()
    used = torch.cuda.memory_reserved() + 2**28
    torch.cuda.set_per_process_memory_fraction(used / torch.cuda.get_device_properties(0).total_memory)
    try:
        array.advance()
    except torch.cuda.OutOfMemoryError:
        error = float((array.bank.weights - before).abs().max())
    else:
        raise ValueError(f"32 lanes trained within {used / 2**20:.0f} MiB")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    for key in array.keys[2:]:
        array.remove(key)
    array.advance()
    return Found(error, 0.0)


CHECKS: dict[str, Check] = {
    "folded graph": partial(of_technique, "folded graph"),
    "float32": in_float32,
    "bf16 folded graph": partial(in_bf16, "folded graph"),
    "independence of 7": partial(independence, 7),
    "independence of 31": partial(independence, 31),
    "NaN": not_a_number,
    "study": partial(of_technique, "study"),
    "float32 as usual": in_usual_float32,
    "out of memory": out_of_memory,
    **{
        name: partial(of_technique, name)
        for name in TECHNIQUES
        if name not in ("study", "folded graph") and not name.endswith((" tuned", " float32"))
    },
}


def checked(name: str, setting: Setting) -> dict[str, Any]:
    """What the row of a check says; NaN never passes."""
    row = {"check": name, "device": setting.device}
    try:
        found = CHECKS[name](setting)
    except Exception as problem:
        return row | {"failed": f"{type(problem).__name__}: {problem}".splitlines()[0][:300]}
    return row | {"error": found.error, "bound": found.bound, "passed": found.error <= found.bound}


def main() -> None:
    """Make the checks in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", nargs="+", choices=CHECKS, default=list(CHECKS))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = made_up(TINY, STEPS * TINY.batch, Path(folder))
        for name in arguments.checks:
            setting = Setting(TINY, data, LANES, arguments.device, "float64")
            print(json.dumps(checked(name, setting)), flush=True)


if __name__ == "__main__":
    main()
