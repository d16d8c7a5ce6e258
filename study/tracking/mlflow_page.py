"""What MLflow's page of a study offers under "Views": tables with the columns that matter.

The page sorts by one column only, so trials of different tasks, whose scores do not compare, have a view for each task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from study.records.ledger import CONFIRM, Ledger
from study.spec import SelectSpec
from study.tracking.words import OUTDATED_TAG, outdated_text
from trainables.trial import SEARCH

VIEW_TAG = "mlflow.sharedViewState."  # of an experiment: MLflow's page keeps saved views there
CELLS, TRIALS, CONFIRMED = "cells", "trials", "confirmed"
AXES = ("dataset", "noise", "model")  # of a task


def view_tags(ledger: Ledger, made_at_ms: int, found: Mapping[str, str]) -> dict[str, str]:
    """The tags that an experiment with the tags `found` lacks for its views; those that a user changed stay."""
    wanted = {f"{VIEW_TAG}{name}": _view(title, made_at_ms, **view) for name, (title, view) in _views(ledger).items()}
    return {tag: view for tag, view in wanted.items() if found.get(tag) != view and not _is_edited(found.get(tag))}


def view_titles(ledger: Ledger) -> dict[str, str]:
    """What the views are called, by name."""
    return {name: title for name, (title, _) in _views(ledger).items()}


def _views(ledger: Ledger) -> dict[str, tuple[str, dict[str, Any]]]:
    """By name: title, filter, columns, and the metric that sorts them."""
    select = SelectSpec.model_validate((ledger.spec() or {}).get("select", {}))
    judged = f"best_{select.monitor}" if select.epoch == "best" else select.monitor
    first = _tags("noise", "label")
    views = {
        CELLS: (
            "Best config of each family and task",
            {
                "only": _filter("cell", SEARCH),
                "columns": [
                    *_tags("label", "best", "noise"),
                    *_metrics("best_mean", "best_sd", "best_n", "trials_ended"),
                ],
                "by": ("best_mean", select.mode),
            },
        )
    }
    searched = [
        *first, *_metrics(judged), *_params(*_searched(ledger), "repeat"), *_tags("state"),
        *_metrics("best_epoch", f"{select.metric}_clean"), *_tags("config"),
    ]  # fmt: skip
    tested = [
        *first, *_metrics(select.test_metric), *_params(*_searched(ledger), "repeat"), *_tags("state", "config")
    ]  # fmt: skip
    for phase, name, title, columns, metric in (
        (SEARCH, TRIALS, "Trials{}, best first", searched, judged),
        (CONFIRM, CONFIRMED, "Confirmed on test images{}", tested, select.test_metric),
    ):
        for number, task in enumerate(_tasks(ledger, phase), 1):
            where = f" ({', '.join(task.values())})" if task else ""
            view = {"only": _filter("trial", phase, task), "columns": columns, "by": (metric, select.mode)}
            views[name if number == 1 else f"{name}-{number}"] = (title.format(where), view)
    return views


def _tasks(ledger: Ledger, phase: str) -> list[dict[str, str]]:
    """The tasks of a phase by what tells them apart: of a single one, nothing."""
    facts = [facts for _, facts in ledger.cells(phase=phase)]
    axes = [axis for axis in AXES if len({each[axis] for each in facts}) > 1]
    found = [{axis: str(each[axis]) for axis in axes} for each in facts]
    return [task for index, task in enumerate(found) if task not in found[:index]]


def _view(title: str, made_at_ms: int, only: str, columns: Sequence[str], by: tuple[str, str]) -> str:
    """As MLflow's page saves it."""
    (metric, mode), shown = by, list(dict.fromkeys(columns))
    state = {
        "searchFilter": only,
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": mode == "min",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": shown,
        "columnOrder": shown,  # before those that are always there
    }
    return json.dumps({"name": title, "createdAt": made_at_ms, "updatedAt": made_at_ms, "state": json.dumps(state)})


def _is_edited(view: str | None) -> bool:
    if view is None:
        return False
    try:
        saved = json.loads(view)
        return bool(saved["updatedAt"] != saved["createdAt"])
    except (ValueError, KeyError, TypeError):
        return True


def _filter(level: str, phase: str, task: Mapping[str, str] | None = None) -> str:
    current = {OUTDATED_TAG.removeprefix("study."): outdated_text(False)} if phase == CONFIRM else {}
    wanted = {"level": level, "phase": phase, **current, **(task or {})}
    return " and ".join(f"tags.`study.{name}` = '{value}'" for name, value in wanted.items())


def _searched(ledger: Ledger) -> list[str]:
    return list(dict.fromkeys(name for _, facts in ledger.cells() for name in facts.get("searched", [])))


def _tags(*names: str) -> list[str]:
    return [f"tags.`study.{name}`" for name in names]


def _metrics(*names: str) -> list[str]:
    return [f"metrics.`{name}`" for name in names]


def _params(*names: str) -> list[str]:
    return [f"params.`{name}`" for name in names]
