"""Which metrics a data set's classes have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import trainables
from trainables.data.datasets import Images
from trainables.engine.measure import TRAINED
from trainables.metrics.catalogue import METRICS, SELECTABLE
from trainables.metrics.classes import Classes, known_superclasses
from trainables.similarity.cifar100 import SUPERCLASSES

EVERYWHERE = {
    "val_accuracy", "val_loss", "val_macro_f1", "val_brier", "val_ece", "val_ece_scaled", "val_temperature",
}  # fmt: skip
ORDERED = {"val_mae", "val_mse"}
GROUPED = {"val_superclass_accuracy", "val_failed_superclass_accuracy"}


@pytest.mark.parametrize(
    ("classes", "more"),
    [
        (Classes(5), set()),
        (Classes(6), {"val_top5"}),
        (Classes(3, ordered=True), ORDERED),
        (Classes(4, superclasses=(0, 0, 1, 1)), GROUPED),
        (Classes(100, ordered=True, superclasses=(0,) * 50 + (1,) * 50), {"val_top5"} | ORDERED | GROUPED),
    ],
)
def test_metrics_are_there_where_the_classes_have_what_they_need(classes: Classes, more: set[str]) -> None:
    assert {metric.name for metric in classes.metrics} == EVERYWHERE | more


def test_what_selects_is_defined_in_every_epoch() -> None:
    assert set(METRICS) - set(SELECTABLE) == {"val_temperature", "val_failed_superclass_accuracy"}


def test_cifar100_has_its_20_superclasses() -> None:
    names = tuple(sorted(name for group in SUPERCLASSES.values() for name in group))
    groups = known_superclasses(names)
    assert groups is not None
    assert np.bincount(groups).tolist() == [5] * 20
    assert groups[names.index("rose")] == groups[names.index("tulip")] != groups[names.index("wolf")]


@pytest.mark.parametrize("names", [("rose", "tulip", "spade"), ("rose", "tulip"), ("rose", "wolf"), ("0", "1")])
def test_superclasses_that_are_unknown_or_group_nothing_are_none(names: tuple[str, ...]) -> None:
    assert known_superclasses(names) is None


@dataclass(frozen=True)
class Ages(Images):
    ordered: bool = True


def test_classes_are_those_of_the_images() -> None:
    parts = (np.zeros((2, 1, 2, 2), np.uint8), np.array([0, 1]))
    assert Classes.of(Images("mine", *parts, ("rose", "tulip", "wolf"), "")) == Classes(3, False, (0, 0, 1))
    assert Classes.of(Ages("ages", *parts, ("20", "21"), "")) == Classes(2, True)


def test_every_metric_of_an_epoch_is_documented() -> None:
    page = Path(trainables.__file__).parent.parent / "docs" / "metrics.md"
    rows = "".join(line.split("|")[1] for line in page.read_text().splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) == {*METRICS, *TRAINED}
