"""Every loss family against its paper's formula, and the contract that all families share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from trainables.losses import FAMILIES, get_family, make_loss
from trainables.losses.base import Loss

C = 5


def random_rows(num_classes: int) -> np.ndarray:
    matrix = np.random.default_rng(num_classes).uniform(0.1, 1, (num_classes, num_classes))
    np.fill_diagonal(matrix, 0)
    return matrix / matrix.sum(axis=1, keepdims=True)


def uniform_rows(num_classes: int) -> np.ndarray:
    return (1 - np.eye(num_classes)) / (num_classes - 1)


# -- the formulas, in plain numpy ---------------------------------------------------------------------------------


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def ce_formula(log_q: np.ndarray, y: int) -> float:
    return -log_q[y]


def label_smoothing_formula(log_q: np.ndarray, y: int, epsilon: float) -> float:
    target = np.full(len(log_q), epsilon / len(log_q))
    target[y] += 1 - epsilon
    return -(target * log_q).sum()


def mcel_formula(log_q: np.ndarray, y: int, epsilon: float, similarity: Any) -> float:
    matrix = uniform_rows(len(log_q)) if isinstance(similarity, str) else similarity
    return -sum(((1 - epsilon) * (i == y) + epsilon * matrix[y, i]) * log_q[i] for i in range(len(log_q)))


def tce_formula(log_q: np.ndarray, y: int, alpha: float) -> float:
    if alpha == 1:
        return np.log(1 - log_q[y])
    return ((1 - log_q[y]) ** (1 - alpha) - 1) / (1 - alpha)


FORMULAS: dict[str, Callable[..., float]] = {
    "ce": ce_formula, "label_smoothing": label_smoothing_formula, "mcel": mcel_formula, "tce": tce_formula,
}  # fmt: skip
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "ce": [{}],
    "label_smoothing": [{"epsilon": e} for e in (0.0, 0.1, 0.9)],
    "mcel": [
        {"epsilon": 0.0, "similarity": "uniform"},
        {"epsilon": 0.49, "similarity": "uniform"},
        {"epsilon": 0.1, "similarity": random_rows(C)},
        {"epsilon": 0.35, "similarity": random_rows(C)},
    ],
    "tce": [{"alpha": a} for a in (0.0, 0.5, 1.0, 1.5, 2.0)],
}
# A family that is added without a setting or a formula above shows up as a KeyError in its own tests.
CASES = [
    pytest.param(family, setting, id=f"{family}-{number}")
    for family in FAMILIES
    for number, setting in enumerate(SETTINGS.get(family, [{}]))
]
every_setting = pytest.mark.parametrize(("family", "setting"), CASES)


def make_batch(dtype: torch.dtype = torch.float64, size: int = 12, scale: float = 3.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    logits = torch.randn(size, C, generator=generator, dtype=torch.float64) * scale
    targets = torch.randint(0, C, (size,), generator=generator)
    return logits.to(dtype).requires_grad_(), targets


def assert_finite_with_gradient(loss: Loss, logits: Tensor, targets: Tensor) -> None:
    value = loss(logits, targets)
    (gradient,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


# -- the contract of every family ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("double_precision")
class TestEveryFamilyInDoublePrecision:
    @every_setting
    def test_loss_is_the_papers_formula(self, family: str, setting: dict[str, Any]) -> None:
        logits, targets = make_batch()
        log_q = log_softmax(logits.detach().numpy())
        expected = [FORMULAS[family](row, int(y), **setting) for row, y in zip(log_q, targets, strict=True)]
        loss = make_loss(family, num_classes=C, **setting)
        np.testing.assert_allclose(loss(logits, targets, reduction="none").detach(), expected, rtol=0, atol=1e-10)
        assert float(loss(logits.detach(), targets)) == pytest.approx(np.mean(expected), rel=0, abs=1e-10)

    @every_setting
    def test_gradient_passes_gradcheck(self, family: str, setting: dict[str, Any]) -> None:
        logits, targets = make_batch()
        loss = make_loss(family, num_classes=C, **setting)
        assert torch.autograd.gradcheck(lambda z: loss(z, targets), logits)

    @pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.neutral])
    def test_neutral_setting_is_cross_entropy(self, family: str) -> None:
        logits, targets = make_batch()
        extra = {"similarity": random_rows(C)} if "similarity" in FAMILIES[family].hyperparameters else {}
        loss = make_loss(family, num_classes=C, **FAMILIES[family].neutral, **extra)
        expected = F.cross_entropy(logits, targets)
        torch.testing.assert_close(loss(logits, targets), expected, rtol=0, atol=1e-13)
        ours, theirs = (torch.autograd.grad(value, logits)[0] for value in (loss(logits, targets), expected))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)

    @pytest.mark.parametrize("family", list(FAMILIES))
    def test_stacked_losses_under_vmap_equal_one_by_one(self, family: str) -> None:
        losses = [make_loss(family, num_classes=C, **setting) for setting in SETTINGS[family]] * 2
        logits = torch.stack([make_batch(size=12)[0].detach() * (1 + row / 10) for row in range(len(losses))])
        logits.requires_grad_()
        targets = torch.stack([make_batch(size=12)[1].roll(row) for row in range(len(losses))])
        parameters, buffers = stack_module_state(losses)

        def one(parameters: Any, buffers: Any, logits: Tensor, targets: Tensor) -> Tensor:
            return functional_call(losses[0], (parameters, buffers), (logits, targets))

        stacked = vmap(one)(parameters, buffers, logits, targets)
        singly = torch.stack([loss(z, y) for loss, z, y in zip(losses, logits, targets, strict=True)])
        torch.testing.assert_close(stacked, singly, rtol=0, atol=1e-13)
        ours, theirs = (torch.autograd.grad(values.sum(), logits)[0] for values in (stacked, singly))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


@every_setting
def test_logits_of_ten_thousand_give_finite_loss_and_gradient(family: str, setting: dict[str, Any]) -> None:
    logits = (1e4 * (2 * torch.eye(C) - 1)).requires_grad_()
    loss = make_loss(family, num_classes=C, **setting)
    assert_finite_with_gradient(loss, logits, torch.arange(C))  # sure and right
    assert_finite_with_gradient(loss, logits, torch.arange(C).roll(1))  # sure and wrong


@every_setting
def test_batch_of_one_equals_that_samples_loss(family: str, setting: dict[str, Any]) -> None:
    logits, targets = make_batch(torch.float32)
    loss = make_loss(family, num_classes=C, **setting)
    assert_finite_with_gradient(loss, logits, targets)
    expected = loss(logits, targets, reduction="none")[3]
    torch.testing.assert_close(loss(logits[3:4], targets[3:4]), expected)


@every_setting
def test_classes_absent_from_the_batch_leave_loss_and_gradient_finite(family: str, setting: dict[str, Any]) -> None:
    logits, _ = make_batch(torch.float32)
    assert_finite_with_gradient(make_loss(family, num_classes=C, **setting), logits, torch.full((12,), 2))


@every_setting
@pytest.mark.parametrize("scale", [3.0, 1e4])
def test_bfloat16_autocast_gives_the_float32_loss_of_the_same_logits(
    family: str, setting: dict[str, Any], scale: float
) -> None:
    images, targets = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)), torch.arange(16) % C
    weight = (torch.randn(C, 8, generator=torch.Generator().manual_seed(1)) * scale).requires_grad_()
    loss = make_loss(family, num_classes=C, **setting)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = F.linear(images, weight)
        value = loss(logits, targets)
    (gradient,) = torch.autograd.grad(value, weight)
    assert logits.dtype == torch.bfloat16
    assert torch.isfinite(gradient).all()
    torch.testing.assert_close(value.float(), loss(logits.detach().float(), targets), rtol=0.02, atol=0.02)


# -- what single papers promise -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("epsilon", [0.1, 0.3, 0.49])
@pytest.mark.parametrize("num_classes", [3, 5, 10])
def test_mcel_with_uniform_similarity_is_label_smoothing(epsilon: float, num_classes: int) -> None:
    logits, targets = torch.randn(9, num_classes), torch.arange(9) % num_classes
    mcel = make_loss("mcel", num_classes=num_classes, epsilon=epsilon, similarity="uniform")
    smoothing = make_loss("label_smoothing", num_classes=num_classes, epsilon=epsilon * num_classes / (num_classes - 1))
    torch.testing.assert_close(mcel(logits, targets), smoothing(logits, targets), rtol=0, atol=1e-13)


@pytest.mark.usefixtures("double_precision")
def test_mcel_takes_the_row_of_the_label_not_the_column() -> None:
    similarity = np.array([[0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]])
    logits = torch.randn(1, 3)
    loss = make_loss("mcel", num_classes=3, epsilon=0.25, similarity=similarity)
    log_q = logits.log_softmax(-1)[0]
    torch.testing.assert_close(loss(logits, torch.tensor([0])), -0.75 * log_q[0] - 0.25 * log_q[1])


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 7.0])
def test_tce_logit_gradient_is_cross_entropys_tamed_by_one_minus_log_q_to_the_minus_alpha(
    alpha: float,
) -> None:
    logits, targets = make_batch()
    loss = make_loss("tce", num_classes=C, alpha=alpha)
    (gradient,) = torch.autograd.grad(loss(logits, targets, reduction="none").sum(), logits)
    q = logits.detach().softmax(-1)
    log_q_y = logits.detach().log_softmax(-1).gather(1, targets[:, None])
    expected = (1 - log_q_y) ** -alpha * (q - F.one_hot(targets, C))
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("offset", [1e-6, -1e-6])
def test_tce_is_continuous_through_alpha_one_in_float32(offset: float) -> None:
    logits, targets = make_batch(torch.float32, scale=20.0)
    values, gradients = [], []
    for alpha in (1.0, 1.0 + offset):
        loss = make_loss("tce", num_classes=C, alpha=alpha)(logits, targets, reduction="none")
        values.append(loss.detach())
        gradients.append(torch.autograd.grad(loss.sum(), logits)[0])
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 4.0])
def test_tce_beyond_alpha_one_is_bounded_by_one_over_alpha_minus_one(alpha: float) -> None:
    loss = make_loss("tce", num_classes=2, alpha=alpha)
    worst = float(loss(torch.tensor([[1e30, -1e30]]), torch.tensor([1])))
    assert worst == pytest.approx(1 / (alpha - 1), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_tce_is_zero_where_the_network_is_right_and_sure(alpha: float) -> None:
    assert float(make_loss("tce", num_classes=2, alpha=alpha)(torch.tensor([[50.0, -50.0]]), torch.tensor([0]))) == 0


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5])
def test_tce_keeps_its_digits_near_a_sure_right_answer_in_float32(alpha: float) -> None:
    logits, targets = torch.tensor([[9.0, -3.0]]), torch.tensor([0])
    nll = float(F.cross_entropy(logits, targets))  # 6e-6 with float32's own error; only the taming is judged
    expected = tce_formula(np.array([-nll]), 0, alpha)
    loss = make_loss("tce", num_classes=2, alpha=alpha)
    assert float(loss(logits, targets)) == pytest.approx(expected, rel=1e-6)


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "setting", "message"),
    [
        ("mcel", {"epsilon": 0.5, "similarity": "uniform"}, r"epsilon = 0\.5 is outside \[0, 0\.5\)"),
        ("mcel", {"epsilon": -0.1, "similarity": "uniform"}, r"epsilon = -0\.1 is outside"),
        ("label_smoothing", {"epsilon": -0.1}, r"epsilon = -0\.1 is outside \[0, 1\)"),
        ("label_smoothing", {"epsilon": 1.0}, r"epsilon = 1 is outside"),
        ("label_smoothing", {"epsilon": float("nan")}, "epsilon = nan is outside"),
        ("label_smoothing", {"epsilon": True}, "epsilon = True is not a number"),
        ("tce", {"alpha": -1}, r"alpha = -1 is outside \[0, inf\)"),
        ("tce", {"alpha": float("inf")}, "alpha = inf is outside"),
        ("tce", {"alpha": "1"}, "alpha = '1' is not a number"),
        ("tce", {"alfa": 1.0}, r"unknown hyperparameter 'alfa'; did you mean 'alpha'\?"),
        ("ce", {"epsilon": 0.1}, "unknown hyperparameter 'epsilon'; family 'ce' has: none"),
        ("tcee", {}, r"unknown family 'tcee'; did you mean 'tce'\? families: ce, label_smoothing, mcel, tce"),
        ("mcel", {"similarity": "uniformly"}, r"unknown similarity 'uniformly'; did you mean 'uniform'\?"),
        ("mcel", {"similarity": None}, "similarity = None is not a similarity"),
    ],
)
def test_value_outside_its_range_is_refused_by_name(family: str, setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loss(family, num_classes=C, **setting)


def spoiled(row: int, column: int, value: float) -> np.ndarray:
    matrix = uniform_rows(C)
    matrix[row, column] = value
    return matrix


@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        (uniform_rows(C + 1), r"shape \(6, 6\); 5 classes"),
        (uniform_rows(C)[:, :4], r"shape \(5, 4\)"),
        (spoiled(0, 1, -0.25), "negative"),
        (spoiled(0, 1, np.nan), "non-finite"),
        (spoiled(3, 1, 0.35), r"row 3 sums to 1\.1"),
        (np.eye(C), "diagonal"),
    ],
    ids=["wrong size", "not square", "negative", "nan", "row sum", "diagonal"],
)
def test_matrix_that_is_no_similarity_is_refused(similarity: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loss("mcel", num_classes=C, epsilon=0.1, similarity=similarity)


def test_lda_similarity_without_data_is_refused() -> None:
    with pytest.raises(ValueError, match="similarity 'lda' is fitted to data: pass its matrix"):
        make_loss("mcel", num_classes=C)


def test_unknown_reduction_is_refused() -> None:
    logits, targets = make_batch()
    with pytest.raises(ValueError, match="unknown reduction 'sum'; reductions: mean, none"):
        make_loss("ce", num_classes=C)(logits, targets, reduction="sum")


@pytest.mark.parametrize("family", list(FAMILIES))
def test_catalogue_defaults_and_neutral_settings_lie_in_their_own_ranges(family: str) -> None:
    described = get_family(family)
    completed = described.complete(described.neutral)
    assert completed == {name: hp.default for name, hp in described.hyperparameters.items()} | dict(described.neutral)
    assert described.complete(completed) == completed
