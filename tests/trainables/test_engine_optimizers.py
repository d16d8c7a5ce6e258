"""Optimisers, clipping and schedules on all lanes at once, against torch's on one network each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.engine.optimizers import Optimizer, clip, make_optimizer
from trainables.engine.schedules import schedule_factors

LANES, SIZE, STEPS = 4, 37, 20


def gradient_sequence() -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        yield torch.randn(LANES, SIZE, generator=generator, dtype=torch.float64)


def start() -> Tensor:
    return torch.randn(LANES, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def columns(rows: list[dict[str, float]]) -> dict[str, Tensor]:
    return {name: torch.tensor([[row[name]] for row in rows], dtype=torch.float64) for name in rows[0]}


def stacked_run(optimizer: Optimizer, rows: list[dict[str, float]]) -> Tensor:
    """Weights after STEPS steps on the gradients w + noise; `rows` hold each lane's hyperparameters."""
    weights, values = start(), columns(rows)
    rates = values.pop("lr")
    memory = {
        slot: torch.zeros(LANES, 1 if slot in optimizer.counters else SIZE, dtype=torch.float64)
        for slot in (*optimizer.slots, *optimizer.counters)
    }
    for noise in gradient_sequence():
        optimizer.step(weights, weights + noise, memory, rates, values)
    return weights


def torch_run(kind: Any, rows: list[dict[str, Any]]) -> Tensor:
    lanes = []
    for row, arguments in enumerate(rows):
        weights = start()[row].clone().requires_grad_()
        optimizer = kind([weights], **arguments)
        for noise in gradient_sequence():
            weights.grad = weights.detach() + noise[row]
            optimizer.step()
        lanes.append(weights.detach())
    return torch.stack(lanes)


SGD_ROWS = [
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0},
    {"lr": 0.03, "momentum": 0.5, "weight_decay": 1e-2},
    {"lr": 0.2, "momentum": 0.99, "weight_decay": 1e-4},
    {"lr": 0.01, "momentum": 0.1, "weight_decay": 0.3},
]
ADAM_ROWS = [
    {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.0},
    {"lr": 0.003, "beta1": 0.5, "beta2": 0.99, "weight_decay": 1e-2},
    {"lr": 0.01, "beta1": 0.0, "beta2": 0.9, "weight_decay": 0.5},
    {"lr": 1e-4, "beta1": 0.95, "beta2": 0.9999, "weight_decay": 1e-4},
]


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_equals_torchs_in_every_lane(nesterov: bool) -> None:
    ours = stacked_run(make_optimizer("sgd", nesterov), SGD_ROWS)
    theirs = torch_run(torch.optim.SGD, [row | {"nesterov": nesterov} for row in SGD_ROWS])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_without_momentum_is_plain_gradient_descent(nesterov: bool) -> None:
    rows = [row | {"momentum": 0.0} for row in SGD_ROWS]
    ours = stacked_run(make_optimizer("sgd", nesterov), rows)
    torch.testing.assert_close(ours, torch_run(torch.optim.SGD, rows), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "theirs"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_adam_equals_torchs_in_every_lane(name: str, theirs: type[torch.optim.Optimizer]) -> None:
    ours = stacked_run(make_optimizer(name), ADAM_ROWS)
    rows = [
        {"lr": row["lr"], "betas": (row["beta1"], row["beta2"]), "weight_decay": row["weight_decay"]}
        for row in ADAM_ROWS
    ]
    torch.testing.assert_close(ours, torch_run(theirs, rows), rtol=0, atol=1e-12)


# -- clipping -----------------------------------------------------------------------------------------------------


def clipped_by_torch(gradient: Tensor, max_norm: float, pieces: int = 3) -> Tensor:
    parameters = [torch.zeros_like(part).requires_grad_() for part in gradient.chunk(pieces)]
    for parameter, part in zip(parameters, gradient.chunk(pieces), strict=True):
        parameter.grad = part.clone()
    torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return torch.cat([parameter.grad for parameter in parameters])


def test_clipping_equals_torchs_on_each_lane_alone() -> None:
    gradients = start() * torch.tensor([[0.01], [1.0], [10.0], [1e6]], dtype=torch.float64)
    norms = [1.0, 0.5, 1e9, 2.0]  # the first and third are shorter than their bound
    expected = torch.stack([clipped_by_torch(g, norm) for g, norm in zip(gradients, norms, strict=True)])
    ours = gradients.clone()
    clip(ours, torch.tensor(norms, dtype=torch.float64)[:, None])
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(ours[0], gradients[0])
    assert torch.equal(ours[2], gradients[2])


def test_clipping_a_nan_gradient_touches_no_other_lane() -> None:
    gradients = start()
    expected = clipped_by_torch(gradients[1], 1.0)
    gradients[0] = float("nan")
    clip(gradients, torch.ones(LANES, 1, dtype=torch.float64))
    torch.testing.assert_close(gradients[1], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1e3, 1e25, float("inf")])
def test_lane_without_a_bound_keeps_its_gradient_beside_a_clipped_lane(size: float) -> None:
    gradients = torch.full((2, 8), size, dtype=torch.float32)  # 1e25 squared is more than float32 holds
    clip(gradients, torch.tensor([[float("inf")], [1.0]]))
    assert torch.equal(gradients[0], torch.full((8,), size))


# -- schedules ----------------------------------------------------------------------------------------------------


def rates_by_torch(make_scheduler: Any, epochs: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, rates = make_scheduler(optimizer), []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def rates_by_us(schedule: dict[str, Any], epochs: int) -> list[float]:
    return [schedule_factors(schedule, epoch, epochs, steps=1)[0] for epoch in range(epochs)]


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_cosine_schedule_equals_torchs_in_each_epoch(epochs: int) -> None:
    theirs = rates_by_torch(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=epochs), epochs)
    assert rates_by_us({"name": "cosine"}, epochs) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("milestones", [[10, 20], [1], [], [5, 5, 29]])
def test_multistep_schedule_equals_torchs_in_each_epoch(milestones: list[int]) -> None:
    theirs = rates_by_torch(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, milestones, gamma=0.1), 30)
    ours = rates_by_us({"name": "multistep", "milestones": milestones, "gamma": 0.1}, 30)
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_constant_schedule_is_constant_and_an_unknown_one_is_refused() -> None:
    assert rates_by_us({"name": "constant"}, 3) == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="unknown schedule 'cosin'; did you mean 'cosine'"):
        schedule_factors({"name": "cosin"}, 0, 1, 1)


def test_step_and_exponential_schedules_equal_torchs_in_each_epoch() -> None:
    stepped = rates_by_torch(lambda o: torch.optim.lr_scheduler.StepLR(o, 7, gamma=0.5), 30)
    assert rates_by_us({"name": "step", "every": 7, "gamma": 0.5}, 30) == pytest.approx(stepped, rel=1e-12)
    fallen = rates_by_torch(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.9), 30)
    assert rates_by_us({"name": "exponential", "gamma": 0.9}, 30) == pytest.approx(fallen, rel=1e-12)


def test_schedule_in_iterations_changes_within_an_epoch_as_torchs_stepped_at_every_batch() -> None:
    schedule = {"name": "step", "every": 20, "gamma": 0.9, "unit": "iterations"}
    ours = [factor for epoch in range(4) for factor in schedule_factors(schedule, epoch, 4, steps=15)]
    theirs = rates_by_torch(lambda o: torch.optim.lr_scheduler.StepLR(o, 20, gamma=0.9), 60)
    assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("schedule", [{"name": "cosine"}, {"name": "step", "every": 1, "gamma": 0.5}])
def test_schedule_in_epochs_is_constant_within_one(schedule: dict[str, Any]) -> None:
    assert len(set(schedule_factors(schedule, 3, 10, steps=5))) == 1
