"""Every family with something to search has a page in search_spaces/ that its own rules accept."""

from __future__ import annotations

from typing import Any

import pytest

from search_spaces import get_space, space_names
from study.spec import FamilySpec
from study.spec.spaces import Distribution, parse_searchable
from trainables.losses.families import FAMILIES

SEARCHED = [name for name, family in FAMILIES.items() if family.hyperparameters]


def test_every_family_with_hyperparameters_has_a_module_and_every_module_a_family() -> None:
    assert set(SEARCHED) <= set(space_names()) <= set(FAMILIES)


@pytest.mark.parametrize("family", space_names())
@pytest.mark.parametrize("tiny", [False, True], ids=["SPACE", "TINY"])
def test_a_space_parses_and_keeps_its_familys_rules(family: str, tiny: bool) -> None:
    for key, raw in get_space(family, tiny=tiny).items():
        value = parse_searchable(raw)
        assert isinstance(value, Distribution) == isinstance(raw, dict)
        FamilySpec.model_validate({"family": family, "space": {key: raw}})


@pytest.mark.parametrize("family", SEARCHED)
def test_tiny_is_a_finite_part_of_the_space(family: str) -> None:
    space, tiny = get_space(family), get_space(family, tiny=True)
    assert tiny.keys() == space.keys()
    for key, raw in tiny.items():
        inside, whole = (parse_searchable(each) for each in (raw, space[key]))
        points = inside.points() if isinstance(inside, Distribution) else [inside]
        if isinstance(whole, Distribution) and not whole.finite:
            assert all(whole.values[0] <= point <= whole.values[1] for point in points)
        else:
            assert {*points} <= {*(whole.points() if isinstance(whole, Distribution) else [whole])}
    points = [parse_searchable(raw).points() for raw in tiny.values() if isinstance(raw, dict)]
    assert points, "it searches something"
    assert all(2 <= len(each) <= 3 for each in points)


@pytest.mark.parametrize("family", space_names())
def test_a_module_says_where_its_numbers_come_from_and_what_came_out(family: str) -> None:
    import importlib

    page = importlib.import_module(f"search_spaces.{family}").__doc__ or ""
    assert all(word in page for word in ("Source:", "Cost:", "Results:"))


def test_a_space_is_a_copy_that_may_be_changed() -> None:
    get_space("tce")["alpha"] = 7
    assert get_space("tce") != {"alpha": 7}
    assert get_space("no_such_family") == {}


def test_what_does_not_count_beside_a_setting_is_not_searched() -> None:
    def searched(space: dict[str, Any]) -> set[str]:
        full = FamilySpec.model_validate({"family": "simloss", "space": space}).full_space()
        return {key for key, value in full.items() if isinstance(value, Distribution)}

    assert searched({}) == {"r"}
    assert searched({"similarity": "lda", "l": {"grid": [0.0, 0.5]}}) == {"l"}
    assert searched({"similarity": {"grid": ["order", "lda"]}}) == {"similarity", "r"}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_may_be_named_without_a_space(family: str) -> None:
    full = FamilySpec.model_validate({"family": family}).full_space()
    assert FAMILIES[family].hyperparameters.keys() >= {key for key in full if not key.startswith("training.")}
