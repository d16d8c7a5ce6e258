"""Scores are compared where they are of the same data, and where that is known."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.records.ledger import Ledger
from study.results.compare import Comparison, compare
from tests.study.conftest import Driver, SpecMaker
from tests.study.trained import train

Make = Callable[..., None]
Compare = Callable[..., Comparison]
REPEATS: dict[str, Any] = {"families": ["ce", "mse", "mae"], "noise__rate": 0.4, "confirm": {"repeats": 3}}


@pytest.fixture
def make(tmp_path: Path, cache: Path, make_spec: SpecMaker) -> Make:
    """A study by its name, with its confirmation."""

    def make(name: str, **changes: Any) -> None:
        spec = make_spec(**REPEATS | changes)
        driver = Driver(tmp_path / f"{name}.db", cache)
        driver.launch(spec)
        driver.confirm(spec)

    return make


@pytest.fixture
def compared(tmp_path: Path) -> Compare:
    def run(*names: str, **asked: Any) -> Comparison:
        with ExitStack() as stack:
            ledgers = [(name, stack.enter_context(Ledger(tmp_path / f"{name}.db"))) for name in names]
            return compare(ledgers, **asked)

    return run


@pytest.fixture
def spoil(tmp_path: Path) -> Callable[[str, str, str], None]:
    """Change the facts of one family's confirmed trials by an SQL function of `facts`."""

    def change(study: str, family: str, facts: str) -> None:
        with closing(sqlite3.connect(tmp_path / f"{study}.db")) as database:
            database.execute(
                f"UPDATE trials SET facts = {facts} WHERE json_extract(trial, '$.confirm.protocol') IS NOT NULL "
                "AND json_extract(trial, '$.loss.family') = ?",
                (family,),
            )
            database.commit()

    return change


@pytest.mark.parametrize(
    ("what", "where"), [("split", " of repeat 0"), ("noise", " of repeat 0"), ("test", " set")]
)  # fmt: skip
def test_hashes_that_differ_are_refused_whatever_the_baseline(
    what: str, where: str, make: Make, compared: Compare, spoil: Callable[[str, str, str], None]
) -> None:
    make("a")
    assert compared("a").num_tests == 0  # repeats differ alike
    spoil("a", "mse", f"json_set(facts, '$.{what}_digest', 'another')")
    for baseline in ("ce", "mse", "mae"):
        said = rf"differ in the {what}{where}: they cannot be paired \(another and .*\); compare studies of one"
        with pytest.raises(StudyError, match=said):
            compared("a", baseline=baseline)
    assert compared("a", phase="search").tasks  # whose trials are as they were


@pytest.mark.parametrize(
    ("what", "where"), [("split", " of repeat 0"), ("noise", " of repeat 0"), ("test", " set")]
)  # fmt: skip
def test_hashes_that_are_missing_are_refused_where_there_is_something_to_pair(
    what: str, where: str, make: Make, compared: Compare, spoil: Callable[[str, str, str], None]
) -> None:
    make("a")
    for family in REPEATS["families"]:  # that all lack it does not make them alike
        spoil("a", family, f"json_remove(facts, '$.{what}_digest')")
    with pytest.raises(StudyError, match=f"no hash of the {what}{where} is known, so it .*; launch the study anew"):
        compared("a")
    make("alone", families=["ce"])
    spoil("alone", "ce", f"json_remove(facts, '$.{what}_digest')")
    assert compared("alone").tasks


def test_protocols_are_not_mixed(make: Make, compared: Compare) -> None:
    make("a")
    make("b", confirm={"repeats": 3, "protocol": "holdout"}, families=["tce"])
    make("c", confirm={"repeats": 3, "protocol": "retrain"}, families=["tce"])
    with pytest.raises(
        StudyError, match=r"confirmed were b by 'holdout', c by 'retrain'; confirm all by one, as 'study"
    ):
        compared("b", "c")
    assert compared("a", "b", phase="search").phase == "search"


def test_studies_of_other_seeds_are_refused_where_split_and_labels_are_the_same(make: Make, compared: Compare) -> None:
    retrained = {"noise__rate": 0.0, "confirm": {"repeats": 3, "protocol": "retrain"}}  # without a split or a mask
    make("a", **retrained)
    make("b", **retrained, seed=4, families=["tce"])
    with pytest.raises(StudyError, match=r"tce and ce on .* differ in the seeds of repeat 0: they cannot be paired"):
        compared("a", "b")


def test_studies_of_other_images_are_refused(make: Make, compared: Compare, tmp_path: Path) -> None:
    make("a")
    make("b", families=["tce"])
    assert compared("a", "b").tasks
    with closing(sqlite3.connect(tmp_path / "b.db")) as database:
        database.execute("UPDATE trials SET trial = json_set(trial, '$.dataset.digest', 'others')")
        database.commit()
    with pytest.raises(StudyError, match=r"tce and ce on .* differ in the images: they cannot be paired"):
        compared("a", "b")


def test_studies_that_hold_out_other_images_are_refused_by_their_splits_alone(
    make_spec: SpecMaker, tmp_path: Path
) -> None:
    """Trained for real: what the trials note of their data is what is compared."""
    short: dict[str, Any] = {"families": ["ce"], "noise__rate": 0.0, "training__epochs": 1, "search__repeats": 2}
    with ExitStack() as stack:
        ledgers = {
            name: stack.enter_context(train(tmp_path / name, make_spec(**short, dataset__holdout=holdout)).ledger())
            for name, holdout in (("a", 0.2), ("b", 0.2), ("c", 0.3))
        }
        assert compare([(name, ledgers[name]) for name in "ab"]).num_tests == 0  # equal scores of the same trials
        with pytest.raises(StudyError, match=r"differ in the split of repeat 0: they cannot be paired"):
            compare([(name, ledgers[name]) for name in "ac"])
