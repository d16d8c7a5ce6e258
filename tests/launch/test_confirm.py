"""`study confirm` as a user runs it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.launch.conftest import Place

SHORT = ("--set", "training.epochs=3", "--set", "search.repeats=1", "--set", "noise.rate=0.4")


def test_a_search_is_confirmed_once_by_the_test_set_and_shown_in_mlflow(
    place: Place, runs_per_key: Callable[[Place], list[int]]
) -> None:
    place.run("launch", "tiny.yaml", *SHORT)
    confirmed = place.json("confirm", "tiny", "--repeats", "2", "--protocol", "retrain")
    assert confirmed["ran"] == {"completed": 4}
    assert confirmed["metric"] == "test_accuracy"
    assert [(row["family"], row["n"]) for row in confirmed["comparison"]] == [("ce", 2), ("tce", 2)]
    assert all(0.2 < row["mean"] <= 1 for row in confirmed["comparison"])
    assert place.json("confirm", "tiny", "--repeats", "2", "--protocol", "retrain")["ran"] == {}
    assert place.json("status", "tiny")["confirmed"] == confirmed["comparison"]
    assert runs_per_key(place) == [1] * (3 + 2 + 4 + 2)  # trials and cells of both phases
    tags = place.mlflow("select value, count(*) from tags where key = 'study.phase' group by 1")
    assert tags == [("confirm", 6), ("search", 5)]
    assert place.mlflow("select count(*) from metrics where key = 'test_accuracy'") == [(4,)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("confirm", "tni"), "unknown study 'tni'"),
        (("confirm", "tiny", "--repeats", "0"), "Invalid value for '--repeats'"),
    ],
)
def test_mistakes_are_one_line(finished: Place, arguments: tuple[str, ...], said: str) -> None:
    assert said in " ".join(finished.run(*arguments, expect=2).stderr.split())
