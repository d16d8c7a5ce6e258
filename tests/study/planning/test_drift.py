"""What changed in code and versions between a study's launches is said, and refused where that is asked for."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from study.errors import StudyError
from study.planning.drift import drift, refuse
from study.records.environment import describe_environment
from study.records.ledger import Ledger
from tests.study.conftest import Driver, SpecMaker

Environment = dict[str, Any]


@pytest.fixture(scope="module")
def now() -> Environment:
    return describe_environment()


@pytest.fixture
def before(now: Environment) -> Environment:
    """The environment of an earlier launch, to be changed."""
    return copy.deepcopy(now)


def launch(driver: Driver, spec: Any, environment: Environment, dies_after: int | None = None) -> None:
    record = Ledger.record_spec
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "record_spec", lambda ledger, described, _: record(ledger, described, environment))
        driver.launch(spec, dies_after=dies_after)


def test_nothing_is_said_of_a_study_that_never_ran_or_ran_in_the_same(
    driver: Driver, make_spec: SpecMaker, now: Environment, before: Environment
) -> None:
    assert drift(driver.ledger_path, now) == []
    launch(driver, make_spec(), before)
    assert drift(driver.ledger_path, now) == []
    refuse("small", [])


def test_a_change_is_told_with_the_trials_that_ran_before_it(
    driver: Driver, make_spec: SpecMaker, now: Environment, before: Environment
) -> None:
    before["packages"]["torch"] = "1.0"
    launch(driver, make_spec(), before, dies_after=5)
    launch(driver, make_spec(), now)
    torch = now["packages"]["torch"]
    assert drift(driver.ledger_path, now) == [f"torch has changed from 1.0 to {torch} since 5 trials of this study"]


def test_code_is_known_by_its_source_or_where_that_was_not_kept_by_its_commit(
    driver: Driver, make_spec: SpecMaker, now: Environment, before: Environment
) -> None:
    before |= {"commit": "a" * 40}
    launch(driver, make_spec(), before)
    assert drift(driver.ledger_path, now) == []  # another commit, the same code
    assert drift(driver.ledger_path, now | {"code": "other"})[0].startswith("the code that trains has changed")
    del before["code"]
    launch(driver, make_spec(noise__rate=0.3), before)
    (told,) = drift(driver.ledger_path, now)
    assert told.startswith(f"the code that trains has changed (commit {'a' * 12}, now ")


def test_what_proposes_and_plans_is_known_by_its_source_where_that_was_kept(
    driver: Driver, make_spec: SpecMaker, now: Environment, before: Environment
) -> None:
    launch(driver, make_spec(noise__rate=0.3), {name: before[name] for name in before if name != "planning_code"})
    assert drift(driver.ledger_path, now | {"planning_code": "other"}) == []  # of an earlier version
    launch(driver, make_spec(), before)
    (told,) = drift(driver.ledger_path, now | {"planning_code": "other"})
    assert told == "the code that proposes and plans trials has changed since 16 trials of this study"


def test_strict_refuses_and_says_what_to_do(
    driver: Driver, make_spec: SpecMaker, now: Environment, before: Environment
) -> None:
    before["python"] = "3.9.1"
    launch(driver, make_spec(), before)
    with pytest.raises(StudyError, match=r"'small' with --strict: Python has changed from 3\.9\.1 to .* another name"):
        refuse("small", drift(driver.ledger_path, now))
