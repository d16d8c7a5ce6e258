"""In which settings studies differ that stand side by side: training, search, holdout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SEARCHED = ("name", "configs", "epochs", "repeats", "warm_start")  # of the section `search`


def differing_settings(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Values by study, of each setting in which studies differ; `specs` are study files as launched, by study.

    A setting that a study does not have is None there, as momentum is beside Adam; a holdout is compared between the
    studies of its data set alone.
    """
    found = {study: _settings(spec) for study, spec in specs.items()}
    differing = {}
    for name in dict.fromkeys(name for settings in found.values() for name in settings):
        has = [study for study in found if name in found[study] or not name.startswith("holdout")]
        values = {study: found[study].get(name) for study in has}
        if any(value != values[has[0]] for value in values.values()):
            differing[name] = values
    return differing


def settings_in_words(differing: Mapping[str, Mapping[str, Any]]) -> str:
    """`training.epochs 15 (a), 12 (b); search.name grid (a), tpe (b)`."""
    return "; ".join(
        f"{name} {', '.join(f'{_text(value)} ({study})' for study, value in values.items())}"
        for name, values in differing.items()
    )


def _settings(spec: Mapping[str, Any]) -> dict[str, Any]:
    """With what an older version did not write down filled in."""
    from study.spec import SearchSpec, SelectSpec, TrainingSpec, dataset_title

    search = SearchSpec.model_validate(spec["search"]).model_dump(mode="json")
    training = TrainingSpec.model_validate(spec["training"]).model_dump(mode="json")
    return {
        **_flat("training", training),
        **{f"search.{name}": search[name] for name in SEARCHED},
        **_flat("scheduler", spec.get("scheduler") or {}),
        "select.epoch": SelectSpec.model_validate(spec["select"]).epoch,
        **{f"holdout of {dataset_title(each)}": each.get("holdout") for each in spec["dataset"]},
    }


def _flat(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {name: value}
    found: dict[str, Any] = {}
    for key, each in value.items():
        found |= _flat(f"{name}.{key}", each)
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "none" if value is None else json.dumps(value)
