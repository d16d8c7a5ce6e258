"""Studies that trained nothing, shown in real MLflow stores through the platform's own tracking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from study.planning.agenda import Todo
from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.spec import StudySpec
from study.tracking.mlflow_view import MlflowView
from tests.study.conftest import Driver, SpecMaker, Worker
from tests.study.conftest import cache as cache
from tests.study.conftest import make_spec as make_spec

BEGAN = 1_750_000_000.0  # seconds since 1970


class Dated(Worker):
    """Reports when an epoch ended, as real workers do."""

    def report(self, todo: Todo, epoch: int) -> dict[str, Any]:
        return super().report(todo, epoch) | {"time": BEGAN + epoch}


@dataclass
class Place:
    """A home with one study, whose trials a worker makes up."""

    home: Home
    spec: StudySpec
    cache: Path
    worker: Worker = field(default_factory=lambda: Dated())

    @property
    def paths(self) -> StudyPaths:
        return self.home.study(self.spec.name)

    @property
    def driver(self) -> Driver:
        return Driver(self.paths.ledger, self.cache, self.worker)

    def launch(self) -> None:
        self.paths.root.mkdir(parents=True, exist_ok=True)
        self.driver.launch(self.spec)
        self.paths.study_file.write_text(f"name: {self.spec.name}\n")

    def confirm(self) -> None:
        self.driver.confirm(self.spec)

    def track(self, uri: str | None = None) -> MlflowView:
        with Ledger(self.paths.ledger, write=True) as ledger:
            view = MlflowView(uri or self.home.mlflow_uri, self.paths, self.home, ledger)
            view.level(hurry=True)
            return view

    def runs(self, only: str = "", uri: str | None = None) -> list[Any]:
        """MLflow's runs of the study, oldest first."""
        import mlflow

        client = mlflow.MlflowClient(tracking_uri=uri or self.home.mlflow_uri)
        experiment = client.get_experiment_by_name(self.spec.name)
        return list(client.search_runs([experiment.experiment_id], only, order_by=["attributes.start_time ASC"]))

    def experiment(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.home.mlflow_uri).get_experiment_by_name(self.spec.name)


@pytest.fixture(scope="module")
def new_place(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker, cache: Path) -> Any:
    """Makes a study in a home of its own."""

    def make(**changes: Any) -> Place:
        spec = make_spec(**{"tracking": {"enabled": True}, **changes})
        return Place(Home(tmp_path_factory.mktemp("home")), spec, cache)

    return make


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """MLflow's own warnings and its tables' migrations are no news."""
    import logging
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.getLogger("alembic").setLevel(logging.WARNING)
