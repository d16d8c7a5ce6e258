"""The within-class loss of MSL against the paper's equations in plain loops, and how its threshold adapts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.trainables.losses.formulas import C, make
from trainables.losses import make_loss, within_class
from trainables.losses.msl import MixtureSeparability
from trainables.losses.threshold import adapt_threshold


def naive_within_class(logits: np.ndarray, labels: np.ndarray, xi: float, distance: str) -> float:
    """Equations 3 to 5, with a loop for each sum."""
    total = 0.0
    for label in range(logits.shape[1]):
        members = [row for row, y in zip(logits, labels, strict=True) if y == label]
        if len(members) < 2:
            continue
        pairs = list(itertools.combinations(members, 2))
        if distance == "euclidean":
            distances = [math.sqrt(((a - b) ** 2).sum()) for a, b in pairs]
        else:
            distances = [np.abs(a - b).sum() for a, b in pairs]
        total += max(0.0, sum(distances) / len(pairs) - xi) ** 2
    return total


def draw(size: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    logits = scale * torch.randn(size, C, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(0, C, (size,), generator=generator)


@pytest.mark.parametrize("distance", ["euclidean", "l1"])
@pytest.mark.parametrize("xi", [0.05, 0.5, 2.9])
@pytest.mark.parametrize("size", [2, 7, 40])
def test_within_class_loss_is_the_papers(distance: str, xi: float, size: int) -> None:
    logits, labels = draw(size)
    loss = make("msl", xi=xi, distance=distance)
    between, within = (
        F.cross_entropy(logits, labels),
        naive_within_class(logits.detach().numpy(), labels.numpy(), xi, distance),
    )
    assert float(loss(logits, labels).detach()) == pytest.approx(float(between.detach()) + within, rel=1e-12, abs=1e-12)


def test_one_image_per_class_is_cross_entropy() -> None:
    logits, _ = draw(C)
    labels = torch.randperm(C)
    ours, theirs = make("msl")(logits, labels), F.cross_entropy(logits, labels)
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-14)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-15)


@pytest.mark.parametrize("distance", ["euclidean", "l1"])
def test_identical_outputs_have_a_finite_gradient(distance: str) -> None:
    logits = torch.ones(6, C, dtype=torch.float64)
    logits[0] += 1
    logits.requires_grad_()
    value = make("msl", distance=distance)(logits, torch.zeros(6, dtype=torch.long))
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("p", [1.0, 2.0])
@pytest.mark.parametrize("labels", ["mixed", "skewed", "one class", "no pair"])
def test_list_of_pairs_and_table_of_distances_agree(p: float, labels: str) -> None:
    logits = torch.randn(3, C, C, dtype=torch.float64) if labels == "no pair" else torch.randn(3, 30, C).double()
    targets = {
        "mixed": torch.randint(0, C, logits.shape[:2]),
        "skewed": torch.randint(0, C, logits.shape[:2]) * (torch.rand(logits.shape[:2]) < 0.4),
        "one class": torch.full(logits.shape[:2], 2),
        "no pair": torch.arange(C).expand(3, C),
    }[labels]
    xi = torch.tensor([0.05, 0.5, 2.5], dtype=torch.float64)
    rows, labels, groups = logits.flatten(0, 1), targets.flatten(), targets + C * torch.arange(3).unsqueeze(1)
    counts = groups.flatten().bincount(minlength=3 * C).numpy()
    listed = within_class._from_pairs(rows, groups.flatten().numpy(), counts, counts * (counts - 1) // 2, xi, p)
    for one, other in zip(listed, within_class._from_all(rows, labels, xi, p), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_more_pairs_than_memory_should_hold_are_never_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = draw(40)
    expected = make("msl")(logits, labels)
    monkeypatch.setattr(within_class, "MOST_NUMBERS", 10)
    monkeypatch.setattr(within_class, "_from_pairs", None)
    torch.testing.assert_close(make("msl")(logits, labels), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("distance", ["euclidean", "l1"])
def test_identical_outputs_beside_others_pull_on_nothing(distance: str) -> None:
    logits = torch.tensor([[3.0, 1.0], [3.0, 1.0], [-2.0, 5.0]], dtype=torch.float64)
    alone, doubled = logits[1:].clone().requires_grad_(), logits.requires_grad_()
    gradients = []
    for given in (alone, doubled):
        pairs = len(given) * (len(given) - 1) / 2
        loss = make("msl", num_classes=2, xi=1e-9, xi_floor=1e-9, distance=distance)
        term = loss.batch_term(given, torch.zeros(len(given), dtype=torch.long))
        # Σ of the distances, freed of the mean over pairs and of the square.
        gradients.append(torch.autograd.grad(term.sqrt() * pairs, given)[0])
    torch.testing.assert_close(gradients[1][:2], gradients[0][:1].expand(2, 2), rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients[1][2], 2 * gradients[0][1], rtol=1e-6, atol=0)


def test_one_loss_maps_over_many_logits_unless_it_would_adapt() -> None:
    logits = torch.randn(3, 12, C, dtype=torch.float64)
    labels, loss = draw(12)[1], make("msl").eval()
    together = torch.func.vmap(loss, in_dims=(0, None))(logits, labels)
    torch.testing.assert_close(together, torch.stack([loss(each, labels) for each in logits]), rtol=1e-13, atol=1e-13)
    with pytest.raises(RuntimeError, match=r"view size is not compatible|single memory location"):
        torch.func.vmap(loss.train(), in_dims=(0, None))(logits, labels)


def test_nothing_on_another_device_is_waited_for() -> None:
    loss = make("msl").to("meta")  # has no values that could be looked at
    state = [loss.xi, loss.window_sum, loss.window_count, loss.window_before]
    settings = [loss.patience, loss.tolerance, loss.xi_decay, loss.xi_floor]
    logits, labels = torch.empty(12, C, device="meta"), torch.empty(12, dtype=torch.long, device="meta")
    within, slope = within_class._within_class(logits, labels, state, settings, loss.p, True)
    assert (within.shape, slope.shape) == ((1,), (12, C))


def test_several_modules_give_the_mean_of_their_losses() -> None:
    given = [draw(20, scale)[0].detach() for scale in (0.5, 1.0, 3.0)]
    labels = draw(20)[1]
    together = make_loss("msl", num_classes=C, num_modules=3, dtype=torch.float64)(given, labels)
    alone = torch.stack([make("msl")(logits, labels) for logits in given])
    torch.testing.assert_close(together, alone.mean(), rtol=1e-13, atol=1e-13)


def test_another_number_of_modules_is_refused() -> None:
    logits, labels = draw(4)
    with pytest.raises(ValueError, match="logits of 2 modules; the loss was made with num_modules=1"):
        make("msl")([logits, logits], labels)


# -- the adaptive threshold ----------------------------------------------------------------------------------------


def step(loss: MixtureSeparability, within: Tensor, paired: Tensor) -> None:
    """An iteration with such within-class losses of the modules."""
    state = (loss.xi, loss.window_sum, loss.window_count, loss.window_before)
    adapt_threshold(state, (loss.patience, loss.tolerance, loss.xi_decay, loss.xi_floor), within, paired)


def feed(loss: MixtureSeparability, within: list[float], paired: bool = True) -> list[float]:
    """ξ after each iteration with such a within-class loss."""
    seen = []
    for value in within:
        step(loss, torch.tensor([value], dtype=torch.float64), torch.tensor([paired]))
        seen.append(round(float(loss.xi), 12))
    return seen


def adaptive(**settings: float) -> MixtureSeparability:
    loss = make("msl", **{"patience": 3, "tolerance": 0.01, **settings})
    assert isinstance(loss, MixtureSeparability)
    return loss


def test_xi_falls_by_a_tenth_where_two_windows_have_the_same_mean() -> None:
    assert feed(adaptive(), [1, 2, 3, 2, 2, 2, 2, 2, 2]) == [0.5] * 5 + [0.45] * 3 + [0.405]


def test_xi_stays_while_the_loss_changes() -> None:
    assert feed(adaptive(), [3, 3, 3, 2, 2, 2, 1, 1, 1]) == [0.5] * 9


def test_tolerance_says_what_change_is_none() -> None:
    windows = [1.0, 1.0, 1.0, 1.05, 1.05, 1.05]
    assert feed(adaptive(tolerance=0.04), windows)[-1] == 0.5
    assert feed(adaptive(tolerance=0.06), windows)[-1] == 0.45


def test_iterations_without_a_pair_do_not_count() -> None:
    loss = adaptive()
    assert feed(loss, [0.0] * 20, paired=False) == [0.5] * 20
    assert float(loss.window_count) == 0


def test_a_loss_of_zero_lowers_xi_to_its_floor_and_no_further() -> None:
    assert feed(adaptive(xi_floor=0.4), [0.0] * 30)[-1] == 0.4
    assert feed(adaptive(xi=0.3, xi_floor=0.4), [0.0] * 30)[-1] == 0.3


def test_each_module_adapts_by_itself() -> None:
    loss = make_loss("msl", num_classes=C, num_modules=2, patience=2)
    assert isinstance(loss, MixtureSeparability)
    for iteration in range(4):
        step(loss, torch.tensor([1.0, 1.0 + iteration]), torch.tensor([True, True]))
    assert [round(x, 6) for x in loss.xi.tolist()] == [0.45, 0.5]


def test_xi_adapts_in_training_alone() -> None:
    logits, labels = draw(12)
    loss = adaptive(patience=1, tolerance=10.0)
    for _ in range(3):
        loss.eval()(logits, labels)
    assert float(loss.xi) == 0.5
    for _ in range(3):
        loss.train()(logits, labels)
    assert float(loss.xi) < 0.5
    assert float(loss.metrics()["xi_mean"]) == float(loss.xi)
