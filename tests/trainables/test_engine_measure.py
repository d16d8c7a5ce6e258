"""What an epoch reports: complete, lane by lane, and alike however the images come in batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, log_loss, mean_absolute_error, top_k_accuracy_score
from torch import Tensor

from tests.trainables.metrics.cases import Case, make_case
from trainables.data.datasets import Images
from trainables.data.task import TaskData
from trainables.engine.lanes import LaneArray
from trainables.engine.measure import TrainingMeasure, ValidationMeasure
from trainables.engine.session import make_lane
from trainables.metrics.classes import Classes
from trainables.models import make_model

ALL = Classes(10, ordered=True, superclasses=(0, 0, 0, 1, 1, 1, 2, 2, 2, 2))
BOTH = ("noisy", "clean")
OF_DIGITS = {
    "train_loss", "train_accuracy", "lr", "seconds", "lanes",
    *(f"val_{name}_{labels}" for labels in BOTH for name in (
        "loss", "accuracy", "top5", "macro_f1", "brier", "ece", "ece_scaled", "temperature",
    )),
}  # fmt: skip


def measure_of(case: Case, labels: Tensor, classes: Classes = ALL, batch: int = 64) -> ValidationMeasure:
    groups = None if classes.superclasses is None else torch.tensor(classes.superclasses)
    measure = ValidationMeasure(labels, classes, groups)
    for logits in case.logits.split(batch, 1):
        measure.add(logits)
    return measure


def measured(case: Case, labels: Tensor, classes: Classes = ALL, batch: int = 64) -> dict[str, Tensor]:
    measure = measure_of(case, labels, classes, batch)
    return dict(zip(measure.reported_names(), measure.finish(), strict=True))


@pytest.fixture
def case() -> Case:
    return make_case(0, lanes=3, images=201)


@pytest.fixture
def labels(case: Case) -> Tensor:
    """Noisy and clean ones, `[2, 3, 201]`."""
    return torch.stack([make_case(1, lanes=3, images=201).targets, case.targets])


def test_every_metric_is_that_of_the_whole_set_against_each_kind_of_labels(case: Case, labels: Tensor) -> None:
    found = measured(case, labels)
    for kind, targets in zip(BOTH, labels, strict=True):
        against = Case(case.logits, targets)
        probabilities = case.probabilities.numpy()
        expected = {
            "accuracy": against.each_prediction(lambda p, y: (p == y).mean()),
            "loss": [log_loss(y, q, labels=range(10)) for y, q in zip(targets.numpy(), probabilities, strict=True)],
            "top5": against.each(lambda z, y: top_k_accuracy_score(y, z, k=5, labels=range(10))),
            "macro_f1": against.each_prediction(lambda p, y: f1_score(y, p, average="macro", zero_division=0)),
            "brier": ((case.probabilities - torch.eye(10)[targets]) ** 2).sum(-1).mean(-1),
            "mae": against.each_prediction(lambda p, y: mean_absolute_error(y, p)),
            "superclass_accuracy": against.each_prediction(
                lambda p, y: (np.array(ALL.superclasses)[p] == np.array(ALL.superclasses)[y]).mean()
            ),
        }
        for name, values in expected.items():
            np.testing.assert_allclose(found[f"val_{name}_{kind}"], values, rtol=1e-10, err_msg=name)
        wrong = 1 - found[f"val_accuracy_{kind}"]
        alike = found[f"val_superclass_accuracy_{kind}"] - found[f"val_accuracy_{kind}"]
        torch.testing.assert_close(found[f"val_failed_superclass_accuracy_{kind}"], alike / wrong)


def test_temperature_scaling_helps_a_network_that_is_too_sure() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5000, 10, generator=generator, dtype=torch.float64)
    targets = torch.stack([torch.multinomial(each.softmax(-1), 1, generator=generator)[:, 0] for each in logits])
    found = measured(Case(4 * logits, targets), targets[None], batch=1000)
    assert bool((found["val_ece_scaled_noisy"] < found["val_ece_noisy"] / 5).all())
    assert found["val_temperature_noisy"].tolist() == pytest.approx([4, 4], rel=0.1)


@pytest.mark.parametrize("batch", [2, 100, 1000])
def test_metrics_do_not_depend_on_the_batches_of_the_evaluation(case: Case, labels: Tensor, batch: int) -> None:
    found, expected = measured(case, labels, batch=batch), measured(case, labels)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=1e-12)


def test_a_lane_is_measured_alike_alone_and_beside_others(case: Case, labels: Tensor) -> None:
    labels[0, 1] = labels[1, 1]  # no noise in the second lane
    case.logits[2, 7] = torch.nan
    together = measured(case, labels)
    for lane in (0, 1):
        own = slice(lane, lane + 1)
        alone = measured(Case(case.logits[own], case.targets[own]), labels[: 1 if lane == 1 else 2, own])
        for name, values in alone.items():
            torch.testing.assert_close(together[name][own], values, rtol=0, atol=1e-14, msg=name)


def test_logits_that_are_no_numbers_give_metrics_that_are_none_but_for_accuracy(case: Case, labels: Tensor) -> None:
    case.logits[2, 7, 3] = torch.nan
    for name, values in measured(case, labels).items():
        assert values.isfinite().tolist() == [True, True, name.startswith("val_accuracy")], name


def test_the_bins_that_are_kept_give_the_calibration_errors_that_are_reported(case: Case, labels: Tensor) -> None:
    for known in (labels, labels[1:]):  # with noise, and without
        measure = measure_of(case, known)
        found = dict(zip(measure.reported_names(), measure.finish(), strict=True))
        bins = measure.kept()["calibration"]
        assert bins.shape == (3, 2, 2, 3, 15)
        images, confidence, right = bins.unbind(-2)
        assert bool((images.sum(-1) == 201).all())
        errors = (images / 201 * (right / images - confidence / images).abs().nan_to_num()).sum(-1)
        for kind, of_kind in zip(BOTH, errors.unbind(1), strict=True):
            for name, error in zip(("ece", "ece_scaled"), of_kind.unbind(1), strict=True):
                torch.testing.assert_close(error, found[f"val_{name}_{kind}"], rtol=0, atol=1e-12)


def test_one_class_and_one_image_are_measured_too() -> None:
    case = make_case(3, lanes=2, images=1, classes=1)
    found = measured(case, case.targets[None], Classes(1))
    assert {name: values.tolist() for name, values in found.items() if name.endswith("clean")} == {
        "val_accuracy_clean": [1, 1], "val_loss_clean": [0, 0], "val_macro_f1_clean": [1, 1],
        "val_brier_clean": [0, 0], "val_ece_clean": [0, 0], "val_ece_scaled_clean": [0, 0],
        "val_temperature_clean": [1, 1],
    }  # fmt: skip


def test_training_is_measured_by_the_predictions_made_before_each_step() -> None:
    clean = torch.tensor([[0, 1, 2, 0], [0, 1, 2, 0]])
    labels = torch.tensor([[0, 2, 1, 0], [0, 1, 2, 0]])  # two wrong ones in the first lane, none in the second
    measure = TrainingMeasure(labels, clean)
    orders = torch.tensor([[2, 0, 3, 1], [0, 1, 2, 3]])
    predicted = torch.tensor([[1, 0, 2, 1], [0, 1, 0, 0]])  # of images 2, 0, 3, 1: learned, right, wrong, seen through
    for indices, classes, loss in zip(orders.split(3, 1), predicted.split(3, 1), (1.0, 5.0), strict=True):
        measure.add(torch.tensor([loss, 0.0]), torch.eye(3)[classes], indices)
    assert measure.finish().nan_to_num(-1).tolist() == [[2, 0], [0.5, 0.75], [0.5, -1], [0.5, -1]]


# -- in the engine ------------------------------------------------------------------------------------------------


def test_an_epoch_reports_what_its_data_and_its_noise_have(
    make_trial: Callable[..., Any], digits_with_noise: Callable[[float, int], TaskData]
) -> None:
    trial = make_trial()
    for rate, more in ((0.0, set()), (0.3, {"train_memorised", "train_still_true"})):
        data = digits_with_noise(rate, 1)
        array = LaneArray(data, trial["model"], trial["training"])
        array.add(make_lane("a", trial, data))
        metrics = array.advance()["a"]
        assert metrics.keys() == OF_DIGITS | more
        assert all(math.isfinite(value) for value in metrics.values())
        if not rate:
            assert all(metrics[f"{name[:-6]}_clean"] == value for name, value in metrics.items() if "_noisy" in name)


@dataclass(frozen=True)
class Ordered(Images):
    ordered: bool = True


def test_ordered_classes_with_superclasses_report_distances_and_superclasses(
    make_trial: Callable[..., Any], digits: TaskData
) -> None:
    names = ("rose", "tulip", "poppy", "orchid", "wolf", "bear", "lion", "tiger", "can", "cup")
    pool = Ordered("flowers", digits.pool.images, digits.pool.labels, names, "digest")
    data, trial = replace(digits, pool=pool), make_trial()
    array = LaneArray(data, trial["model"], trial["training"])
    array.add(make_lane("a", trial, data))
    metrics = array.advance()["a"]
    shares = array.save("a").last["measured.confusion"].double().numpy() / len(data.val_index)
    label, predicted = np.indices(shares.shape)
    assert metrics["val_mae_noisy"] == pytest.approx((shares * abs(label - predicted)).sum())
    assert metrics["val_mse_noisy"] == pytest.approx((shares * (label - predicted) ** 2).sum())
    kinds = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    accuracy = (shares * (kinds[label] == kinds[predicted])).sum()
    assert metrics["val_superclass_accuracy_noisy"] == pytest.approx(accuracy)
    assert 0 < metrics["val_failed_superclass_accuracy_clean"] < metrics["val_superclass_accuracy_clean"]


def test_memorised_and_still_true_are_those_of_the_network_as_it_was_before_each_step(
    make_trial: Callable[..., Any], lane_of: Callable[..., Any], make_array: Callable[..., LaneArray], digits: TaskData
) -> None:
    still = make_trial(optimizer={"lr": 1e-300})  # the steps change nothing
    lane, trial = lane_of("a", still)
    moving = lane_of("b", make_trial(seed=1))
    metrics = make_array((lane, trial), moving).advance()["a"]
    net = make_model(**trial["model"], image_shape=(1, 8, 8), num_classes=10, seed=lane.weights_seed).double()
    images = torch.tensor(digits.pool.images[digits.train_index]).double()
    with torch.no_grad():
        predicted = net((images - images.mean()) / images.std(correction=0)).argmax(1).numpy()
    clean = digits.pool.labels[digits.train_index]
    wrong = digits.train_labels != clean
    assert metrics["train_memorised"] == pytest.approx((predicted == digits.train_labels)[wrong].mean(), abs=1e-6)
    assert metrics["train_still_true"] == pytest.approx((predicted == clean)[wrong].mean(), abs=1e-6)


def test_a_lane_keeps_the_bins_of_its_best_and_its_last_epoch(
    make_trial: Callable[..., Any], lane_of: Callable[..., Any], make_array: Callable[..., LaneArray]
) -> None:
    first = make_trial(monitor=("train_loss", "max"), optimizer={"lr": 0.2})
    array = make_array(lane_of("a", first), lane_of("b", make_trial(seed=1)))
    for _ in range(3):
        array.advance()
    state = array.save("a")
    assert state.best_epoch == 1  # the loss falls
    for tensors, epoch in ((state.best, 1), (state.last, 3)):
        images, confidence, right = tensors["measured.calibration"][0, 0].unbind(-2)
        error = (right - confidence).abs().sum() / images.sum()
        assert error.item() == state.history[epoch - 1]["val_ece_noisy"]


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_macro_f1_noisy", "max"), ("val_ece_clean", "min"), ("val_brier_noisy", "min")]
)
def test_any_metric_may_say_which_epoch_is_best(
    make_trial: Callable[..., Any], lane_of: Callable[..., Any], make_array: Callable[..., LaneArray],
    monitor: str, mode: str,
) -> None:  # fmt: skip
    array = make_array(lane_of("a", make_trial(monitor=(monitor, mode), optimizer={"lr": 0.2})))
    for _ in range(3):
        array.advance()
    state = array.save("a")
    values = [metrics[monitor] for metrics in state.history]
    assert state.best_value == (max if mode == "max" else min)(values)
    assert values[state.best_epoch - 1] == state.best_value
