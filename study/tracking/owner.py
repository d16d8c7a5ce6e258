"""Whose an experiment or a registered model in MLflow is: tags name its study, and the id that its ledger keeps.

Names are anyone's: on a shared server two people have a study `quickstart` each. What carries other tags, or none, is
someone else's: it is never written to, and ours goes by a second name beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from study.records.ledger import Ledger

STUDY_TAG = "study.name"
ID_TAG = "study.id"
HOME_TAG = "study.home"  # of the studies' home in which it was made: a copy of the study has the same id
KIND_TAG = "mlflow.experimentKind"  # the page of an experiment with it opens on runs and curves
KIND = "custom_model_development"
HOME_DIGITS = 16
LOOKED_AT = 1000  # runs of an experiment without an id

Made = TypeVar("Made")


@dataclass(frozen=True)
class Owner:
    """A study as MLflow is told of it; `runs` are those that it noted as its own, in whatever store.

    `home` is the hash of the path of the studies' home in which its ledger lies.
    """

    study: str
    id: str
    runs: frozenset[str]
    home: str = ""

    @classmethod
    def of(cls, study: str, ledger: Ledger) -> Owner:
        """The study of that name with that ledger."""
        home = hashlib.sha256(str(ledger.path.resolve().parents[1]).encode()).hexdigest()[:HOME_DIGITS]
        return cls(study, ledger.identity(), ledger.noted_runs(), home)

    @property
    def tags(self) -> dict[str, str]:
        """What an experiment or a registered model of the study carries."""
        return {STUDY_TAG: self.study, ID_TAG: self.id}

    @property
    def second_name(self) -> str:
        """What is made for the study is called where someone else has its name."""
        return f"{self.study}-{self.id[:8]}"

    def owns(self, tags: Mapping[str, str]) -> bool:
        """Whether what carries these tags was made for the study."""
        return {name: tags.get(name) for name in self.tags} == self.tags


def own_experiment(client: Any, owner: Owner) -> Any:
    """The experiment of a study, in use before in the bin, under whatever name it has now; None where there is none.

    One that was made before experiments carried an id is the study's where it holds runs that the study noted.
    """
    from mlflow.entities import ViewType

    found = client.search_experiments(view_type=ViewType.ALL, filter_string=f"tags.`{ID_TAG}` = '{owner.id}'")
    own = [each for each in found if owner.owns(each.tags)]
    if own:
        return min(own, key=lambda each: (each.lifecycle_stage == "deleted", each.creation_time))
    for each in client.search_experiments(view_type=ViewType.ALL, filter_string=f"name = '{owner.study}'"):
        if ID_TAG not in each.tags and each.tags.get(KIND_TAG) == KIND:
            runs = client.search_runs([each.experiment_id], run_view_type=ViewType.ALL, max_results=LOOKED_AT)
            if any(run.info.run_id in owner.runs for run in runs):
                return each
    return None


def settled_experiment(client: Any, owner: Owner, artifacts: Path | None) -> Any:
    """The experiment of a study, made where there is none, taken out of the bin where it is there, and tagged.

    A new one keeps its files in a folder of its own in `artifacts`; None leaves the place to the server.
    """
    experiment = own_experiment(client, owner)
    if experiment is None:

        def make(name: str) -> str:
            location = (artifacts / name).as_uri() if artifacts else None
            tags = {KIND_TAG: KIND, HOME_TAG: owner.home, **owner.tags}
            return str(client.create_experiment(name, artifact_location=location, tags=tags))

        return client.get_experiment(_by_a_free_name(make, owner))
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    for name, value in owner.tags.items():
        if experiment.tags.get(name) != value:
            client.set_experiment_tag(experiment.experiment_id, name, value)
    return experiment


def own_model(client: Any, owner: Owner) -> Any:
    """The registered model of a study; None where it has none.

    One that was made before models carried an id is the study's where one of its versions comes from a run of it.
    """
    for model in client.search_registered_models(f"tags.`{ID_TAG}` = '{owner.id}'"):
        if owner.owns(model.tags):
            return model
    for model in client.search_registered_models(f"name = '{owner.study}'"):
        if ID_TAG not in model.tags and model.tags.get(STUDY_TAG) == owner.study:
            versions = client.search_model_versions(f"name = '{owner.study}'")
            if any(version.run_id in owner.runs for version in versions):
                return model
    return None


def make_model(client: Any, owner: Owner) -> str:
    """Register an empty model for a study that has none; its name."""

    def make(name: str) -> str:
        client.create_registered_model(name, tags=owner.tags)
        return name

    return _by_a_free_name(make, owner)


def _by_a_free_name(make: Callable[[str], Made], owner: Owner) -> Made:
    """To try is the one way to know: a name may belong to what one may not read, or lies in the bin."""
    try:
        return make(owner.study)
    except Exception as problem:  # to import MLflow's own is slow
        if getattr(problem, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
            raise
    return make(owner.second_name)
