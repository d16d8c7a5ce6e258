"""Whose an experiment in MLflow is: names are anyone's, and nobody's runs are touched by another study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from study.cli.dashboard import dashboard
from study.cli.delete import delete
from study.cli.sync import sync
from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.paths import Home
from study.report import write_report
from study.tracking import trials_behind
from study.tracking.mlflow_removal import Removed, remove_study
from study.tracking.mlflow_report import show_report
from study.tracking.mlflow_store import settle_environment
from study.tracking.mlflow_view import MlflowView
from study.tracking.note import NOTE_TAG
from study.tracking.owner import HOME_TAG, ID_TAG, Owner
from tests.tracking.conftest import Place

NewPlace = Callable[..., Place]
FEW = {"families": ["ce"], "noise__rate": 0.0, "training__epochs": 2, "search__repeats": 2}
RUNS = 3  # a cell and its trials


@dataclass(frozen=True)
class Store:
    """A store that several people share."""

    uri: str
    client: Any

    def experiments(self) -> dict[str, str]:
        """Lifecycle stage of every experiment but MLflow's own, by name."""
        from mlflow.entities import ViewType

        found = self.client.search_experiments(view_type=ViewType.ALL)
        return {each.name: each.lifecycle_stage for each in found if each.name != "Default"}

    def runs(self, name: str) -> list[Any]:
        where = [self.client.get_experiment_by_name(name).experiment_id]
        return list(self.client.search_runs(where, order_by=["attributes.start_time ASC"]))

    def told(self, name: str) -> Any:
        """All that MLflow knows of an experiment, to see whether it was touched."""
        experiment = self.client.get_experiment_by_name(name)
        return experiment.tags, experiment.last_update_time, [run.to_dictionary() for run in self.runs(name)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    settle_environment()
    import mlflow

    from study.tracking.mlflow_store import make_sqlite_store

    make_sqlite_store(tmp_path / "shared.db")
    uri = f"sqlite:///{tmp_path}/shared.db"
    return Store(uri, mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri))


@pytest.fixture
def person(new_place: NewPlace, store: Store) -> Callable[[], Place]:
    """Launches the same study file in a home of its own, tracked by the shared store."""

    def make() -> Place:
        place = new_place(**FEW, tracking={"enabled": True, "uri": store.uri})
        place.launch()
        return place

    return make


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Place], None]:
    """Makes a person's home the one that commands work in."""
    return lambda place: monkeypatch.setenv("STUDY_HOME", str(place.home.root))


def second_name(place: Place) -> str:
    with Ledger(place.paths.ledger) as ledger:
        return f"{place.spec.name}-{ledger.identity()[:8]}"


def test_an_id_is_made_with_the_ledger_and_stays(new_place: NewPlace) -> None:
    places = [new_place(**FEW), new_place(**FEW)]
    for place in places:
        place.launch()
    first, second = (second_name(place) for place in places)
    assert first != second
    places[0].launch()
    assert second_name(places[0]) == first


def test_two_people_with_one_study_have_whole_results_each_beside_the_other(
    person: Callable[[], Place], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    ann, bob = person(), person()
    ann.track(store.uri)
    before = store.told("small")
    assert caplog.messages == []
    for _ in range(2):
        bob.track(store.uri)
    own = second_name(bob)
    assert caplog.messages == [f"MLflow at {store.uri} has 'small' of another study: ours is '{own}'"]
    assert store.experiments() == {"small": "active", own: "active"}
    assert [len(store.runs(name)) for name in ("small", own)] == [RUNS, RUNS]
    assert store.told("small") == before
    with Ledger(bob.paths.ledger) as ledger:
        assert trials_behind(ledger, bob.home) == 0
        assert [event["message"] for event in ledger.events()] == caplog.messages


def test_commands_of_one_person_touch_nothing_of_the_other(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None], capsys: pytest.CaptureFixture[str]
) -> None:
    ann, bob = person(), person()
    ann.track(store.uri)
    before = store.told("small")
    use(bob)
    sync("small", as_json=True)
    own = second_name(bob)
    assert json.loads(capsys.readouterr().out)["experiment"] == own
    page = write_report(bob.home, bob.paths)
    assert show_report(bob.home, bob.paths, page) is None
    experiment = store.client.get_experiment_by_name(own)
    assert "Report of the study" in experiment.tags[NOTE_TAG]
    assert f"/experiments/{experiment.experiment_id}/runs/" in page.read_text()
    dashboard(name="small", as_json=True)
    assert f"/experiments/{experiment.experiment_id}/" in json.loads(capsys.readouterr().out)["tables"]["small"]
    delete("small", yes=True)
    assert "and its MLflow experiment" in capsys.readouterr().out
    assert store.told("small") == before
    (binned,) = store.experiments().keys() - {"small"}
    assert binned.startswith(f"{own} (deleted ")


def test_the_first_may_leave_and_the_second_keeps_its_place(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None]
) -> None:
    ann, bob = person(), person()
    ann.track(store.uri)
    bob.track(store.uri)
    use(ann)
    delete("small", yes=True)
    bob.track(store.uri)
    assert [name for name, stage in store.experiments().items() if stage == "active"] == [second_name(bob)]
    assert len(store.runs(second_name(bob))) == RUNS


def test_an_experiment_that_no_study_made_is_left_alone(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None], capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = store.client.create_experiment("small", tags={"mlflow.experimentKind": "custom_model_development"})
    store.client.create_run(theirs, run_name="years of work")
    before, ann = store.told("small"), person()
    use(ann)
    delete("small", yes=True)
    assert "MLflow" not in capsys.readouterr().out
    ann.launch()
    ann.track(store.uri)
    delete("small", yes=True)
    assert store.told("small") == before


def test_a_name_in_the_bin_that_is_someone_elses_stays_there(person: Callable[[], Place], store: Store) -> None:
    store.client.delete_experiment(store.client.create_experiment("small"))
    ann = person()
    ann.track(store.uri)
    assert store.experiments() == {"small": "deleted", second_name(ann): "active"}


def test_an_experiment_that_was_moved_to_the_bin_comes_back_with_its_runs(
    person: Callable[[], Place], store: Store
) -> None:
    ann = person()
    ann.track(store.uri)
    runs = [run.info.run_id for run in store.runs("small")]
    store.client.delete_experiment(store.client.get_experiment_by_name("small").experiment_id)
    ann.track(store.uri)
    with Ledger(ann.paths.ledger, write=True) as ledger:  # as `study sync` does
        MlflowView(store.uri, ann.paths, ann.home, ledger).connect()
    assert store.experiments() == {"small": "active"}
    assert [run.info.run_id for run in store.runs("small")] == runs


def test_deleting_a_study_whose_experiment_is_in_the_bin_frees_the_name(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None]
) -> None:
    ann = person()
    ann.track(store.uri)
    store.client.delete_experiment(store.client.get_experiment_by_name("small").experiment_id)
    use(ann)
    delete("small", yes=True)
    bob = person()
    bob.track(store.uri)
    assert [name for name, stage in store.experiments().items() if stage == "active"] == ["small"]


def test_an_experiment_that_is_gone_for_good_is_made_again_whole(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None]
) -> None:
    import sqlite3

    ann = person()
    ann.track(store.uri)
    gone = store.client.get_experiment_by_name("small").experiment_id
    with sqlite3.connect(store.uri.removeprefix("sqlite:///")) as file:  # as `mlflow gc` leaves it
        for table in ("experiment_tags", "experiments"):
            file.execute(f"DELETE FROM {table} WHERE experiment_id = ?", (gone,))
    file.close()
    use(ann)
    sync("small")
    assert len(store.runs("small")) == RUNS


def test_a_renamed_experiment_is_found_and_nothing_is_told(
    person: Callable[[], Place], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    ann = person()
    ann.track(store.uri)
    store.client.rename_experiment(store.client.get_experiment_by_name("small").experiment_id, "for the paper")
    with Ledger(ann.paths.ledger, write=True) as ledger:
        MlflowView(store.uri, ann.paths, ann.home, ledger).connect()
    assert store.experiments() == {"for the paper": "active"}
    assert caplog.messages == []


def test_a_study_whose_ledger_was_lost_begins_beside_what_it_left(person: Callable[[], Place], store: Store) -> None:
    ann = person()
    ann.track(store.uri)
    before = store.told("small")
    shutil.rmtree(ann.paths.root)
    ann.launch()
    ann.track(store.uri)
    assert store.told("small") == before
    assert len(store.runs(second_name(ann))) == RUNS


def test_a_moved_study_goes_on_in_its_experiment(
    person: Callable[[], Place], store: Store, tmp_path: Path, use: Callable[[Place], None]
) -> None:
    ann = person()
    ann.track(store.uri)
    runs = [run.info.run_id for run in store.runs("small")]
    shutil.move(ann.home.root, tmp_path / "elsewhere")
    moved = replace(ann, home=Home(tmp_path / "elsewhere"))
    use(moved)
    sync("small")
    assert store.experiments() == {"small": "active"}
    assert [run.info.run_id for run in store.runs("small")] == runs


def test_a_copy_of_the_same_name_shares_the_experiment_and_each_trial_is_one_run(
    person: Callable[[], Place], store: Store, tmp_path: Path
) -> None:
    ann = person()
    ann.track(store.uri)
    shutil.copytree(ann.home.root, tmp_path / "copy")
    copy = replace(ann, home=Home(tmp_path / "copy"))
    copy.confirm()
    copy.track(store.uri)
    ann.confirm()
    ann.track(store.uri)
    keys = [run.data.tags["study.key"] for run in store.runs("small")]
    assert len(keys) == len(set(keys)) > RUNS
    assert store.experiments() == {"small": "active"}


def test_a_copy_under_another_name_is_another_study(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None]
) -> None:
    ann = person()
    ann.track(store.uri)
    before = store.told("small")
    shutil.copytree(ann.paths.root, ann.home.study("variant").root)
    use(ann)
    sync("variant")
    assert len(store.runs("variant")) == RUNS
    delete("variant", yes=True)
    assert store.told("small") == before


def test_runs_that_others_logged_into_the_experiment_survive_its_study(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None], capsys: pytest.CaptureFixture[str]
) -> None:
    ann = person()
    ann.track(store.uri)
    theirs = store.client.create_run(store.client.get_experiment_by_name("small").experiment_id, run_name="by hand")
    use(ann)
    delete("small", yes=True)
    assert "experiment 'small' stays, without the study's runs: 1 others" in " ".join(capsys.readouterr().out.split())
    assert [run.info.run_id for run in store.runs("small")] == [theirs.info.run_id]
    bob = person()
    bob.track(store.uri)
    assert len(store.runs(second_name(bob))) == RUNS


def without_id(store: Store) -> None:
    """As experiments were made before they carried an id."""
    experiment = store.client.get_experiment_by_name("small")
    for tag in (ID_TAG, "study.name"):
        store.client.delete_experiment_tag(experiment.experiment_id, tag)


def test_an_experiment_from_before_there_were_ids_goes_on_as_its_studys(
    person: Callable[[], Place], store: Store
) -> None:
    ann, bob = person(), person()
    ann.track(store.uri)
    without_id(store)
    bob.track(store.uri)
    assert len(store.runs(second_name(bob))) == RUNS
    ann.confirm()
    ann.track(store.uri)
    assert store.experiments().keys() == {"small", second_name(bob)}
    with Ledger(ann.paths.ledger) as ledger:
        assert store.client.get_experiment_by_name("small").tags[ID_TAG] == ledger.identity()


def test_an_experiment_from_before_there_were_ids_is_deleted_with_its_study(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None]
) -> None:
    ann = person()
    ann.track(store.uri)
    without_id(store)
    use(ann)
    delete("small", yes=True)
    assert set(store.experiments().values()) == {"deleted"}


def test_files_of_the_default_store_are_deleted_with_their_own_study(
    new_place: NewPlace, use: Callable[[Place], None]
) -> None:
    place = new_place(**FEW)
    place.launch()
    place.track()
    shutil.rmtree(place.paths.root)
    place.launch()
    place.track()
    own = second_name(place)
    kept = place.home.mlflow_artifacts
    assert {folder.name for folder in kept.iterdir()} == {"small", own}
    use(place)
    delete("small", yes=True)
    assert [folder.name for folder in kept.iterdir()] == ["small"]
    assert any(path.is_file() for path in kept.rglob("*"))


@pytest.mark.slow
def test_a_server_holds_two_studies_of_one_name_apart_too(new_place: NewPlace, tmp_path: Path) -> None:
    import mlflow

    from tests.launch.conftest import free_port, started

    uri = f"http://127.0.0.1:{(port := free_port())}"
    files = ("--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", str(tmp_path))
    with started(f"{uri}/health", "mlflow", "server", *files, "--port", str(port), "--workers", "1"):
        store = Store(uri, mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri))
        ann, bob = (new_place(**FEW, tracking={"enabled": True, "uri": uri}) for _ in range(2))
        for place in (ann, bob):
            place.launch()
            place.track(uri)
        own, before = second_name(bob), store.told("small")
        assert [len(store.runs(name)) for name in ("small", own)] == [RUNS, RUNS]
        with Ledger(bob.paths.ledger) as ledger:
            owner, keys = Owner.of("small", ledger), set(ledger.trials()) | set(dict(ledger.cells()))
        assert remove_study(uri, owner, keys, bob.home.mlflow_artifacts) == Removed(own)
        assert store.told("small") == before
        assert store.experiments()["small"] == "active"


@pytest.fixture
def copied(person: Callable[[], Place], store: Store, tmp_path: Path, use: Callable[[Place], None]) -> Place:
    """A copy of a study in another home, which is in use; the experiment was made by the original."""
    ann = person()
    ann.track(store.uri)
    shutil.copytree(ann.home.root, tmp_path / "copy")
    copy = replace(ann, home=Home(tmp_path / "copy"))
    use(copy)
    return copy


def test_deleting_a_copy_is_refused_before_the_experiment_of_the_original_is_touched(
    copied: Place, store: Store
) -> None:
    before = store.told("small")
    with pytest.raises(
        StudyError, match=r"experiment 'small' with 3 runs .* another home .* --keep-mlflow .*--with-ml"
    ):
        delete("small", yes=True)
    assert copied.paths.ledger.is_file()
    assert store.told("small") == before


@pytest.mark.parametrize(("flag", "left"), [("keep_mlflow", "active"), ("with_mlflow", "deleted")])
def test_a_copy_is_deleted_when_it_is_said_what_becomes_of_the_experiment(
    flag: str, left: str, copied: Place, store: Store
) -> None:
    delete("small", yes=True, **{flag: True})
    assert not copied.paths.root.exists()
    assert list(store.experiments().values()) == [left]


def test_the_home_that_an_experiment_notes_tells_no_path(person: Callable[[], Place], store: Store) -> None:
    ann = person()
    ann.track(store.uri)
    noted = store.client.get_experiment_by_name("small").tags[HOME_TAG]
    assert len(noted) == 16
    assert str(ann.home.root) not in str(store.told("small")[0])


def test_who_is_asked_whether_to_delete_is_told_of_the_experiment_and_its_runs(
    person: Callable[[], Place], store: Store, use: Callable[[Place], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = person()
    ann.track(store.uri)
    use(ann)
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda question, abort: asked.append(question))
    with pytest.raises(StudyError, match="experiment 'small' with 3 runs of it would be deleted for good; say --yes"):
        delete("small", as_json=True)
    delete("small")
    shown = "MLflow's experiment 'small' with 3 runs of it"
    assert asked == [f"Delete {ann.paths.root} with all its trials and checkpoints, and {shown}?"]
