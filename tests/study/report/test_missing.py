"""What a figure leaves out is named under it, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from study.records.states import DIVERGED
from study.report.document import Section
from study.report.missing import not_shown
from tests.study.conftest import Todo
from tests.study.report.conftest import Reporter, section_of, titles

IMPORTANCE, GLANCE = "Importance of hyperparameters", "Configs at a glance"
LR = {"training.optimizer.lr": {"loguniform": [0.01, 0.2]}}
TCE = {"family": "tce", "space": {"alpha": {"uniform": [0.5, 2.0]}, **LR}}
MANY: dict[str, Any] = {
    "families": [
        "ce",
        "mse",
        {"family": "mae", "space": LR},
        TCE,
        {"family": "gce", "space": {"q": {"uniform": [0.1, 0.9]}, **LR}},
        {"family": "focal", "space": {"gamma": {"uniform": [0.5, 3.0]}, **LR}},
        {"family": "sce", "space": {"alpha": {"uniform": [0.5, 2.0]}, "beta": {"grid": [1.0]}}},
        {"family": "js", "space": {"pi": {"uniform": [0.1, 0.9]}, **LR}},
    ],
    "noise__rate": 0.0,
    "search": {"name": "random", "configs": 22, "repeats": 1},
}


def family_of(todo: Todo) -> str:
    return str(todo.config.trial(0)["loss"]["family"])


def score(todo: Todo, epoch: int) -> float:
    alpha = todo.config.params.get("alpha", 1.0)
    return 0.5 if family_of(todo) == "js" else 0.9 - abs(alpha - 1) / 10 - 0.001 * todo.config.number + 0.0001 * epoch


def mishap(todo: Todo, epoch: int) -> str | None:
    lost = {"gce": True, "focal": todo.config.number > 2}
    return DIVERGED if lost.get(family_of(todo), False) else None


def caption(section: Section) -> str:
    (said,) = (block.caption for block in section.blocks if hasattr(block, "caption"))
    return str(said)


def test_families_without_a_panel_are_named_under_the_figure_with_the_reason(reporter: Reporter) -> None:
    reporter.worker.accuracy, reporter.worker.mishap = score, mishap
    reporter.launch(**MANY)
    document = reporter.document()
    assert caption(section_of(document, IMPORTANCE)).endswith(
        " Not shown: ce and mse (nothing was searched); mae (one hyperparameter was searched); gce (no config "
        "completed the screening repeat); focal (fewer than 20 completed configs); sce (fewer than two "
        "hyperparameters took several values); js (all scores are equal)."
    )
    assert caption(section_of(document, GLANCE)).endswith(
        " Not shown: ce and mse (nothing was searched); mae (one hyperparameter was searched); gce (no config "
        "completed the screening repeat); sce (fewer than two hyperparameters took several values)."
    )
    panels = {
        title: [axes.get_title(loc="left") for block in section_of(document, title).blocks if hasattr(block, "figure")
                for axes in block.figure.axes]
        for title in (IMPORTANCE, GLANCE)
    }  # fmt: skip
    assert panels[IMPORTANCE] == ["tce (n = 22 configs)"]
    assert [title.split()[0] for title in panels[GLANCE]] == ["tce", "focal", "js"]


def test_nothing_is_said_where_no_family_is_missing(reporter: Reporter) -> None:
    reporter.worker.accuracy = score
    reporter.launch(**MANY | {"families": [TCE]})
    document = reporter.document()
    for title in (IMPORTANCE, GLANCE):
        assert "Not shown" not in caption(section_of(document, title))


def test_a_task_without_a_figure_beside_one_with_is_named(reporter: Reporter) -> None:
    reporter.worker.accuracy = score
    reporter.worker.mishap = lambda todo, epoch: DIVERGED if todo.config.trial(0)["noise"].get("rate") else None
    reporter.launch(**MANY | {"families": ["ce", TCE], "noise__rate": [0.0, 0.4]})
    document = reporter.document()
    for title in (IMPORTANCE, GLANCE):
        (items,) = (block.texts for block in section_of(document, title).blocks if hasattr(block, "texts"))
        assert items == (
            "digits, uniform 0.4, mlp hidden=8: no figure. Not shown: ce (nothing was searched); tce (no config "
            "completed the screening repeat).",
        )


def test_configs_whose_scores_are_all_equal_have_a_sentence_and_no_bars(reporter: Reporter) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.5
    reporter.launch(**MANY | {"families": [TCE]})
    document = reporter.document()
    (items,) = (block.texts for block in section_of(document, IMPORTANCE).blocks if hasattr(block, "texts"))
    assert items == ("digits, clean, mlp hidden=8: no figure. Not shown: tce (all scores are equal).",)
    assert GLANCE in titles(document)


@pytest.mark.parametrize(
    ("reasons", "said"),
    [({}, ""), ({"ce": "a", "tce": "b", "mse": "a"}, "Not shown: ce and mse (a); tce (b).")],
)
def test_families_with_the_same_reason_are_named_in_one_go(reasons: dict[str, str], said: str) -> None:
    assert not_shown(reasons) == said


@pytest.mark.parametrize("repeats", [1, 2])
def test_large_marks_are_explained_where_there_are_any(reporter: Reporter, repeats: int) -> None:
    reporter.launch(families=[TCE], noise__rate=0.0, search={"name": "random", "configs": 4, "repeats": repeats})
    said = caption(section_of(reporter.document(), "Against each hyperparameter"))
    assert ("Large marks: " in said) == (repeats > 1)
    assert said.startswith("Small marks: " if repeats > 1 else "Marks: ")
