"""What an exported file says: settings, numbers, provenance."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from study.export.reading import FORMAT
from study.records.ledger import Ledger
from study.records.paths import StudyPaths
from study.results.confirmed import confirmed_config
from study.results.remarks import remarks_of
from study.results.selection import CellResult, ConfigResult
from study.spec import SelectSpec
from trainables.data.datasets import settled_options
from trainables.data.task import load_task
from trainables.normalisation.fitted import fitted_normalisation


def exported_values(
    ledger: Ledger, paths: StudyPaths, cell: CellResult, config: ConfigResult, rank: int, test: dict[str, Any] | None
) -> dict[str, Any]:
    """One config: the repeat that is exported is its best. `weights` and `input` are still to be filled in."""
    sign = 1 if cell.facts["mode"] == "max" else -1
    trial, score = max(zip(config.trials, config.scores, strict=True), key=lambda pair: sign * pair[1])
    description = ledger.trial(trial.key)
    spec = ledger.spec() or {}
    select = spec["select"]
    epoch = trial.best_epoch if select["epoch"] == "best" else trial.epoch
    facts = dict(trial.facts)
    lanes = max(int(metrics.get("lanes", 1)) for _, metrics in ledger.reports(trial.key))
    run = {"threads": facts.pop("threads"), "device": facts.pop("device"), "lanes": lanes}
    run_ids = [ids[trial.key][0] for store in ledger.stores() if trial.key in (ids := ledger.tracked(store))]
    return {
        "format": FORMAT,
        "family": cell.facts["family"],
        "label": cell.facts["label"],
        "task": {name: cell.facts[name] for name in ("dataset", "noise", "noise_rate", "model")},
        "rank": rank,
        "params": config.params,
        "validation": {
            "metric": description["monitor"]["metric"],
            "mean": config.mean,
            "sd": config.sd,
            "n": config.n,
            "repeats": list(config.scores),
            "configs": len(cell.configs),
        },
        "test": test,
        "warnings": [each.sentence for each in remarks_of(ledger) if each.among([t.key for t in config.trials])],
        "exported": {
            "repeat": trial.repeat,
            "epoch": epoch,
            "score": score,
            "metrics": ledger.report(trial.key, epoch),
        },
        "weights": None,
        "input": None,
        "run": run,
        "trial": description,
        "provenance": {
            "study": paths.name,
            "warm_start": spec["search"].get("warm_start"),
            "trial_key": trial.key,
            "config_key": config.key,
            "mlflow_run": run_ids[0] if run_ids else None,
            "dataset_digest": description["dataset"]["digest"],
            **facts,
            **ledger.environment(trial.key),
            "exported_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    }


def confirmed_values(
    ledger: Ledger, confirmed: Sequence[CellResult], cell: CellResult, config: ConfigResult
) -> dict[str, Any] | None:
    """What the confirmation found of a config: scores on the test set by repeat; None where it was not confirmed.

    `confirmed` are the cells of that phase.
    """
    found = confirmed_config(ledger, confirmed, cell, config)
    if found is None:
        return None
    where, winner = found
    return {
        "protocol": where.facts["protocol"],
        "num_images": winner.trials[0].facts.get("num_test"),
        "metric": SelectSpec.model_validate((ledger.spec() or {})["select"]).test_metric,
        "mean": winner.mean,
        "sd": winner.sd,
        "n": winner.n,
        "diverged": winner.diverged,
        "repeats": [
            {
                "repeat": trial.repeat,
                "score": score,
                "trial_key": trial.key,
                "epoch": trial.facts["test"].get("epoch"),
                "metrics": {name: v for name, v in trial.facts["test"].items() if name != "epoch"},
            }
            for trial, score in zip(winner.trials, winner.scores, strict=True)
        ],
    }


def described_input(trial: Mapping[str, Any], cache: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the trial's network sees: raw images' shape and size, classes, normalisation; and its arrays.

    ValueError or OSError where the data that the normalisation was fitted to is not at hand.
    """
    data = load_task(trial["dataset"], trial["split"], trial["noise"], cache)
    normalise, arrays = fitted_normalisation(trial["training"].get("normalise", "channel"), data)
    described = {
        "shape": list(data.pool.image_shape),
        "resize": settled_options(trial["dataset"]).get("resize"),
        "normalise": normalise,
        "classes": list(data.pool.class_names),
    }
    return described, arrays
