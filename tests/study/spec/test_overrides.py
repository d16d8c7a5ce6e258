"""Values set on the command line: what they replace, and what is refused by the text that was given."""

from __future__ import annotations

from typing import Any

import pytest

from tests.study.conftest import SMALL
from tests.study.study_files import changed, parse, refusal


@pytest.mark.parametrize(
    ("assignment", "read", "expected"),
    [
        ("training.epochs=5", lambda s: s.training.epochs, 5),
        ("training.optimizer.lr=1e-3", lambda s: s.training.optimizer.lr, 0.001),
        ("noise.rate=[0.1, 0.2]", lambda s: s.noise[0].rate, [0.1, 0.2]),
        ("noise.rate=0.3", lambda s: s.noise[0].rate, [0.3]),
        ("noise.rate.1=0.5", lambda s: s.noise[0].rate, [0.0, 0.5]),
        ("families.0=mcel", lambda s: s.families[0].family, "mcel"),
        ("families.0={family: mcel, space: {epsilon: 0.1}}", lambda s: s.families[0].space, {"epsilon": 0.1}),
        ("families.1.space.alpha=0.25", lambda s: s.families[1].space, {"alpha": 0.25}),
        ("families=[tce]", lambda s: [f.name for f in s.families], ["tce"]),
        ("dataset=digits", lambda s: s.dataset[0].name, "digits"),
        ("dataset.holdout=0.3", lambda s: s.dataset[0].holdout, 0.3),
        ("model=small_cnn", lambda s: (s.model[0].name, s.model[0].model_extra), ("small_cnn", {})),
        ("training.schedule={name: multistep, milestones: [4]}", lambda s: s.training.schedule.milestones, [4]),
        ("scheduler.name=asha", lambda s: s.scheduler.name, "asha"),
        ("description=a=b", lambda s: s.description, "a=b"),
        ("resources.gpus=0.5", lambda s: s.resources.gpus, 0.5),
    ],
)
def test_an_override_replaces_one_value(assignment: str, read: Any, expected: Any) -> None:
    assert read(parse(SMALL, assignment)) == expected


def test_an_override_reaches_below_a_short_form() -> None:
    short = changed("{name: digits, holdout: 0.2}", "digits")
    assert parse(short, "dataset.holdout=0.3").dataset[0].holdout == 0.3
    assert parse(changed("{name: mlp, hidden: 8}", "mlp"), "model.hidden=4").model[0].model_extra == {"hidden": 4}


def test_overrides_apply_in_order() -> None:
    assert parse(SMALL, "training.epochs=5", "training.epochs=6").training.epochs == 6


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("training.epochs", "not KEY=VALUE, as in --set training.epochs=5"),
        ("=3", "not KEY=VALUE"),
        ("training..epochs=3", "not KEY=VALUE"),
        ("training.epochs=[", "the value is not YAML; quote it"),
        ("description=!!bool x", "the value is not YAML"),
        ("description=2020-01-01", "neither text nor a number; quote it"),
        ("training.epochs=", "training.epochs is missing; add it"),
        ("training.epochs=0", "training.epochs = 0: it should be greater than or equal to 1"),
        ("training.epoch=3", "unknown key 'epoch'; did you mean 'epochs'"),
        ("trainig.epochs=3", "unknown key 'trainig'; did you mean 'training'"),
        ("families.5=ce", "'5' is no index of a list of 2"),
        ("families.²=ce", "'²' is no index of a list of 2"),
        ("families.x=ce", "'x' is no index of a list of 2"),
        ("families.0=cee", "families.0: unknown family 'cee'; did you mean 'ce'"),
        ("families.1.space.alpha={grid: []}", "families.1.space.alpha: the grid has no points"),
        ("families.1.space.alpha=-1", "families.1.space.alpha: alpha = -1 is outside"),
        ("seed.a=3", "'seed' is a single value, it has no 'a'"),
        ("dataset=digit", "unknown data set 'digit'; did you mean 'digits'"),
        ("dataset.root=/no/where", "no folder /no/where"),
        ("training.optimizer.lr=-1", "lr = -1 is outside (0, inf)"),
    ],
)
def test_a_bad_override_is_refused_by_its_own_text(assignment: str, expected: str) -> None:
    said = refusal(SMALL, assignment)
    assert said.startswith(f"--set {assignment}: ")
    assert expected in said
