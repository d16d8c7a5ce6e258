"""Every family through the conformance kit, in all its settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.trainables.losses.formulas import FORMULAS, SETTINGS, random_rows, resolved, subject
from trainables.losses import FAMILIES
from trainables.losses.conformance import (
    CHECKS,
    Subject,
    check_compiled,
    check_formula,
    check_neutral,
    check_stacked,
)

# A family that is added without a setting or a formula shows up as a KeyError in its own tests.
CASES = [
    pytest.param(family, setting, id=f"{family}-{number}")
    for family in FAMILIES
    for number, setting in enumerate(SETTINGS.get(family, [{}]))
]
every_setting = pytest.mark.parametrize(("family", "setting"), CASES)
every_check = pytest.mark.parametrize("check", CHECKS, ids=[check.__name__.removeprefix("check_") for check in CHECKS])
NEUTRAL = [name for name, family in FAMILIES.items() if family.neutral is not None]


@every_setting
@every_check
def test_promise(check: Callable[[Subject], None], family: str, setting: dict[str, Any]) -> None:
    check(subject(family, setting))


@every_setting
def test_loss_is_the_papers_formula(family: str, setting: dict[str, Any]) -> None:
    check_formula(subject(family, setting), partial(FORMULAS[family], **resolved(setting)))


@pytest.mark.parametrize("family", NEUTRAL)
def test_neutral_setting_is_cross_entropy(family: str) -> None:
    described = FAMILIES[family]
    matrix = {"similarity": random_rows} if "similarity" in described.hyperparameters else {}
    check_neutral(subject(family, matrix | dict(described.neutral or {})))


@pytest.mark.parametrize("family", FAMILIES)
def test_stacked_under_vmap_equal_one_by_one_in_loss_gradient_and_memory(family: str) -> None:
    groups: dict[Any, list[Subject]] = defaultdict(list)
    for setting in SETTINGS[family]:
        each = subject(family, setting)
        groups[each.make(each.num_classes).structure].append(each)
    for members in groups.values():
        check_stacked(members * 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_as_one_graph_equals_the_plain_loss(family: str) -> None:
    check_compiled(subject(family, SETTINGS[family][0]))


@every_check
@pytest.mark.parametrize("distance", ["euclidean", "l1"])
def test_promise_with_three_attached_modules(check: Callable[[Subject], None], distance: str) -> None:
    check(subject("msl", {"distance": distance}, num_modules=3))


def test_three_attached_modules_stacked_and_compiled() -> None:
    two = [subject("msl", {"xi": xi}, num_modules=3) for xi in (0.5, 2.0)]
    check_stacked(two)
    check_compiled(two[0])
