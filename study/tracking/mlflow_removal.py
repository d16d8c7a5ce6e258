"""A study taken out of an MLflow store: what is its own, and nothing else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.tracking.machine import MACHINE
from study.tracking.mlflow_report import REPORT
from study.tracking.mlflow_store import KEY_TAG, is_missing, settle_environment
from study.tracking.owner import HOME_TAG, ID_TAG, Owner, own_experiment, own_model


@dataclass(frozen=True)
class Removed:
    """What there was of a study. An `experiment` that `others` have runs in is left to them, without the study's."""

    experiment: str | None
    others: int = 0


@dataclass(frozen=True)
class Removable:
    """A study's experiment, how many `runs` of it are the study's, and whether it was made in the study's home.

    Experiments from before they were told where they are made count as made there.
    """

    experiment: str
    runs: int
    made_here: bool


def removable(uri: str, owner: Owner, keys: Collection[str]) -> Removable | None:
    """What `remove_study` would find of an experiment; None where there is none. Nothing is changed."""
    if is_missing(uri):
        return None
    settle_environment()
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = own_experiment(client, owner)
    if experiment is None:
        return None
    own = sum(_is_own(run, keys) for run in _runs(client, experiment.experiment_id))
    return Removable(experiment.name, own, experiment.tags.get(HOME_TAG, owner.home) == owner.home)


def remove_study(uri: str, owner: Owner, keys: Collection[str], artifacts: Path) -> Removed:
    """Move a study's experiment to MLflow's bin under another name, so that its own is free again.

    `keys`: of its cells and trials, which tell its runs. Where others logged runs into the experiment, the study's runs
    are moved to the bin one by one, and the experiment stays, as no study's. The study's registered model and its files
    in `artifacts` are deleted. An experiment or a model of its name that is not the study's is left alone.
    """
    if is_missing(uri):
        return Removed(None)
    settle_environment()
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    if (model := own_model(client, owner)) is not None:
        client.delete_registered_model(model.name)
    experiment = own_experiment(client, owner)
    if experiment is None:
        return Removed(None)
    if experiment.lifecycle_stage == "deleted":  # and still holds the name
        client.restore_experiment(experiment.experiment_id)
    runs = _runs(client, experiment.experiment_id)
    own = [run.info.run_id for run in runs if _is_own(run, keys)]
    folder = None if uri.startswith("http") else artifacts / experiment.artifact_location.rpartition("/")[2]
    if others := len(runs) - len(own):
        for run_id in own:
            client.delete_run(run_id)
            if folder:
                shutil.rmtree(folder / run_id, ignore_errors=True)
    else:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        name = f"{experiment.name} (deleted {time.strftime('%Y-%m-%d %H:%M:%S')})"
        client.rename_experiment(experiment.experiment_id, name)
    if ID_TAG in experiment.tags:  # a copy of the study is not to take it out of the bin
        client.delete_experiment_tag(experiment.experiment_id, ID_TAG)
    if not others:
        client.delete_experiment(experiment.experiment_id)
    return Removed(experiment.name, others)


def _runs(client: Any, experiment_id: str) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=5000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _is_own(run: Any, keys: Collection[str]) -> bool:
    tags = run.data.tags
    return tags.get(KEY_TAG) in keys or (KEY_TAG in tags and tags.get("study.level") in (REPORT, MACHINE))
