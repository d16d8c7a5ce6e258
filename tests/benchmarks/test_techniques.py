"""Every technique trains what the plain loop trains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks import techniques
from benchmarks.lane_work import TINY, Setting, made_up
from benchmarks.plan import PLAN, TECHNIQUES
from benchmarks.techniques import Training, compiled, eager

TOLERANCE = 1e-9
STEPS = 2


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """Two lanes of a tiny ResNet in float64, two batches an epoch."""
    data = made_up(TINY, STEPS * TINY.batch, tmp_path_factory.mktemp("data"))
    return Setting(TINY, data, 2, "cpu", "float64")


@pytest.fixture(scope="module")
def expected(setting: Setting) -> Tensor:
    """The weights of both lanes after an epoch of the plain loop."""
    rows = []
    for lane in range(setting.lanes):
        plain = eager(setting, lane)
        plain.epoch(0)
        rows.append(plain.weights())
    return torch.cat(rows).detach()


def trained(training: Training) -> Tensor:
    try:
        training.epoch(0)
        return training.weights().detach().clone()
    finally:
        training.close()


IN_PROCESSES = {"processes", "processes graph"}
NAMES = [
    pytest.param(name, marks=pytest.mark.slow if name in IN_PROCESSES else ())
    for name in TECHNIQUES
    if not name.startswith("compiled")
]


@pytest.mark.parametrize("name", NAMES)
def test_its_weights_after_two_steps_are_the_plain_loops(name: str, setting: Setting, expected: Tensor) -> None:
    technique = TECHNIQUES[name]
    lanes = 1 if technique.lone else setting.lanes
    found = trained(technique.make(replace(setting, lanes=lanes)))
    torch.testing.assert_close(found, expected[:lanes], rtol=0, atol=TOLERANCE)


def test_what_is_compiled_trains_the_same(setting: Setting, expected: Tensor) -> None:
    """The step as it is written down for the compiler, with a compiler that changes nothing."""
    found = trained(compiled(setting, as_graph=True, backend="aot_eager"))
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_what_the_compiler_makes_of_it_trains_the_same(setting: Setting, expected: Tensor) -> None:
    found = trained(compiled(setting))
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


def test_a_lane_that_learns_nothing_would_be_seen(setting: Setting, expected: Tensor) -> None:
    before = torch.cat([eager(setting, lane).weights() for lane in range(setting.lanes)])
    assert (before - expected).abs().amax(1).min() > 100 * TOLERANCE
    assert (expected[0] - expected[1]).abs().max() > 100 * TOLERANCE


def test_a_process_that_fails_is_one_sentence_not_a_wait(setting: Setting) -> None:
    broken = replace(setting, lanes=1, workload=replace(TINY, model={"name": "no such network"}))
    with pytest.raises(RuntimeError, match=r"the process of lane 0: .*no such network"):
        TECHNIQUES["processes"].make(broken)


def test_every_technique_is_described_and_planned() -> None:
    planned = {part.technique.removesuffix(" tuned").removesuffix(" float32") for part in PLAN}
    described = {name.removesuffix(" tuned").removesuffix(" float32") for name in TECHNIQUES}
    assert planned == described
    lines = [line.strip() for line in (techniques.__doc__ or "").splitlines()]
    assert all(any(line.startswith(name + "  ") for line in lines) for name in described)
