"""Augmentation and normalisation in a study file: what may be written, and what it does to a trial and its key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.planning.feasibility import check_feasible
from study.planning.plan import Plan
from study.planning.preflight import check_extends
from study.records.keys import counts, key_of
from study.tracking.words import flat_params
from tests.study.conftest import SpecMaker
from trainables.augmentation import STANDARD
from trainables.trial import Trial, plain_trial

PlanMaker = Callable[..., Plan]
SHIFT, MIRROR = {"name": "shift", "pixels": 1, "padding": "zeros"}, {"name": "mirror", "p": 0.5}


def first_trial(plan: Plan) -> Trial:
    return plan.cells[0].configs[0].trial(0)


def first_key(plan: Plan) -> str:
    return plan.cells[0].configs[0].trial_key(0)


def test_a_trial_has_the_list_written_out(plan_of: PlanMaker) -> None:
    training = first_trial(plan_of(training__augment=["standard", "mirror"], training__normalise="gcn"))["training"]
    assert training["augment"] == [SHIFT, MIRROR]
    assert training["normalise"] == {"name": "gcn", "scale": None, "epsilon": 1e-8}
    plain = first_trial(plan_of())["training"]
    assert (plain["augment"], plain["normalise"]) == ([], {"name": "channel"})


SAME: list[tuple[Any, Any]] = [
    ("standard", [SHIFT]),
    ("standard", {"name": "shift", "pixels": 1}),
    (["standard", "mirror"], [{"pixels": 1, "name": "shift"}, {"name": "mirror", "p": 0.5}]),
    ("mirror", ["mirror"]),
    ("none", []),
    ({"name": "mirror", "p": 1}, [{"name": "mirror", "p": 1.0}]),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_augmentation_written_in_two_ways_has_one_key(one: Any, other: Any, plan_of: PlanMaker) -> None:
    assert first_key(plan_of(training__augment=one)) == first_key(plan_of(training__augment=other))


def test_every_other_setting_has_another_key(plan_of: PlanMaker) -> None:
    lists = [[], ["mirror"], ["shift"], [SHIFT], ["shift", "mirror"], ["mirror", "shift"], [{"name": "mirror", "p": 1}]]
    keys = [first_key(plan_of(training__augment=each)) for each in lists]
    ways = ["pixel", "gcn", "zca", "none", {"name": "zca", "regulariser": 0.2}]
    keys += [first_key(plan_of(training__normalise=each)) for each in ways]
    assert len(set(keys)) == len(keys)


def test_a_trial_with_neither_has_the_key_that_it_had_before_there_were_any(plan_of: PlanMaker) -> None:
    trial = counts(first_trial(plan_of()))
    assert not {"augment", "normalise", "patience"} & set(trial["training"])
    assert first_key(plan_of()) == key_of(trial)


def test_a_study_of_a_version_without_them_goes_on(make_spec: SpecMaker) -> None:
    before = make_spec().model_dump(mode="json")
    del before["training"]["augment"], before["training"]["normalise"]
    check_extends(make_spec(), before, set(), set())
    with pytest.raises(StudyError, match=r"training\.augment = \[\], now it is \[\{'name': 'mirror'\}\]"):
        check_extends(make_spec(training__augment="mirror"), before, set(), set())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"training__augment": "mirorr"}, r"training\.augment: unknown augmentation 'mirorr'; did you mean 'mirror'\?"),
    ({"training__augment": ["mirror", {"name": "shift", "pixel": 1}]}, r"training\.augment\.1: unknown option 'pixel'"),
    ({"training__augment": {"name": "shift", "pixels": 0}}, "shift.pixels = 0 is not a whole number of at least 1"),
    ({"training__augment": {"name": "standard", "pixels": 1}}, "'standard' has no options; write its list out"),
    ({"training__augment": {"pixels": 1}}, "training.augment.*name is missing"),
    ({"training__normalise": "zac"}, r"training\.normalise: unknown normalisation 'zac'; did you mean 'zca'\?"),
    ({"training__normalise": {"name": "zca", "regulariser": 0}}, r"zca\.regulariser = 0 is outside \(0, inf\)"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_a_mistake_is_refused_in_a_line(changes: dict[str, Any], message: str, make_spec: SpecMaker) -> None:
    with pytest.raises(StudyError, match=message) as problem:
        make_spec(**changes)
    assert "\n" not in str(problem.value)


def test_standard_where_nothing_is_standard_is_refused(make_spec: SpecMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(STANDARD, "digits")
    with pytest.raises(StudyError, match=r"training\.augment: no augmentation is standard for data set 'digits'"):
        make_spec(training__augment="standard")


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (
            {"name": "shift", "pixels": 8},
            "digits, clean, mlp.*: .*moves an image of 8 x 8 out of itself",
        ),
        (
            {"name": "torchvision", "transform": "CenterCrop", "arguments": {"size": 4}},
            "makes a uint8 image of 1 x 4 x 4 of a uint8 image of 1 x 8 x 8",
        ),
    ],
)
def test_an_augmentation_that_does_not_fit_the_images_is_refused_before_a_trial_starts(
    augment: Any, message: str, plan_of: PlanMaker, cache: Path
) -> None:
    with pytest.raises(StudyError, match=message):
        check_feasible(plan_of(training__augment=augment), cache)
    check_feasible(plan_of(training__augment="standard"), cache)


def test_a_tracker_shows_them_in_a_word(plan_of: PlanMaker) -> None:
    shown = flat_params(first_trial(plan_of(training__augment=["standard", "mirror"], training__normalise="none")), 0)
    assert shown["augment"] == "shift(pixels=1, padding=zeros) + mirror(p=0.5)"
    assert shown["normalise"] == "none"
    former = first_trial(plan_of())
    del former["training"]["augment"], former["training"]["normalise"]
    assert flat_params(former, 0) == flat_params(first_trial(plan_of()), 0)
    assert (flat_params(former, 0)["augment"], flat_params(former, 0)["normalise"]) == ("none", "channel")


def test_plain_keys_take_them_too() -> None:
    training = plain_trial("ce", {"augment": "standard", "normalise": "gcn"})["training"]
    assert training["augment"] == [SHIFT]
    assert training["normalise"]["name"] == "gcn"
    with pytest.raises(ValueError, match=r"did you mean 'mirror'\?"):
        plain_trial("ce", {"augment": ["miror"]})
