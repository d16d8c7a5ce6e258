"""What MLflow's page of a study is made of: names, tags, views, and the links to the report and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from study.cli.dashboard import dashboard
from study.records.ledger import Ledger
from study.report import write_report
from study.tracking.links import page_address, run_links
from study.tracking.mlflow_report import show_report
from study.tracking.mlflow_view import MlflowView
from study.tracking.note import NOTE_TAG, in_a_sentence, with_report, with_tables
from study.tracking.words import cell_run_name, noise_text, searched_first, trial_run_name, values_text
from tests.tracking.conftest import Place

NewPlace = Callable[..., Place]
CELL = {"label": "tce", "noise": "uniform 0.4", "noise_rate": 0.4, "dataset": "digits", "model": "mlp"}


@pytest.fixture(scope="module")
def place(new_place: NewPlace) -> Place:
    found = new_place()
    found.launch()
    found.confirm()
    found.track()
    return found


def test_a_trial_is_named_by_what_differs() -> None:
    cell = CELL | {"searched": ["alpha", "lr"]}
    params = {"alpha": 1.5, "lr": 0.05012, "momentum": 0.9}
    assert trial_run_name(cell, params, 2) == "tce alpha=1.5 lr=0.05012 η=0.4 seed 2"
    assert trial_run_name(cell | {"phase": "confirm"}, {}, 0) == "confirm tce η=0.4 seed 0"
    assert cell_run_name(cell) == "tce · η=0.4 · digits, mlp"


def test_settings_have_the_short_names_of_columns() -> None:
    assert values_text({"alpha": 1.5, "training.optimizer.lr": 0.067561}) == "alpha=1.5 lr=0.06756"


def test_what_was_searched_stands_before_what_stayed() -> None:
    params = {"variant": "plain", "loss.alpha": 1.5, "momentum": 0.9, "training.optimizer.lr": 0.05}
    assert values_text(searched_first(params, ["lr", "alpha"])) == "alpha=1.5 lr=0.05 variant=plain momentum=0.9"


@pytest.mark.parametrize(
    ("noise", "rate", "text"),
    [("clean", 0.0, "clean"), ("pair 0.2", 0.2, "pair η=0.2"), ("file aggre", 0.09, "file aggre")],
)
def test_noise_is_named_by_its_rate_and_by_its_kind_where_that_is_not_uniform(
    noise: str, rate: float, text: str
) -> None:
    assert noise_text({"noise": noise, "noise_rate": rate}) == text


def test_runs_are_found_by_family_cell_phase_state_and_config(place: Place) -> None:
    def count(**tags: str) -> int:
        return len(place.runs(" and ".join(f"tags.`study.{name}` = '{value}'" for name, value in tags.items())))

    assert count(level="trial", family="tce", phase="search") == 12
    assert count(level="trial", family="tce", phase="search", config="1") == 4
    assert count(level="trial", state="completed", phase="confirm") == 20
    assert count(cell="tce · η=0.4 · digits, mlp hidden=8") == 7
    assert count(state="failed") == 0


def views_of(place: Place) -> dict[str, dict[str, Any]]:
    tags = place.experiment().tags
    found = {name.rpartition(".")[2]: json.loads(value) for name, value in tags.items() if "sharedViewState" in name}
    return {name: json.loads(view["state"]) for name, view in found.items()}


def test_views_show_what_matters_and_every_filter_and_column_is_there(place: Place) -> None:
    views = views_of(place)
    assert {name: len(place.runs(view["searchFilter"])) for name, view in views.items()} == {
        "cells": 4, "trials": 8, "trials-2": 8, "confirmed": 10, "confirmed-2": 10,
    }  # fmt: skip
    for view in views.values():
        runs = place.runs(view["searchFilter"])
        there = {f"metrics.`{name}`" for run in runs for name in run.data.metrics}
        there |= {f"params.`{name}`" for run in runs for name in run.data.params}
        there |= {f"tags.`{name}`" for run in runs for name in run.data.tags}
        assert set(view["selectedColumns"]) | {view["orderByKey"]} <= there
        assert not view["orderByAsc"]


TWO: dict[str, Any] = {"noise__rate": 0.0, "confirm": {"repeats": 3}}


def tce(*alphas: float) -> dict[str, Any]:
    return {"family": "tce", "space": {"alpha": {"grid": list(alphas)}}}


def outdated_of(place: Place) -> dict[str, set[str]]:
    """What the runs of a confirmation say, by family."""
    found: dict[str, set[str]] = {}
    for run in place.runs("tags.`study.phase` = 'confirm'"):
        found.setdefault(run.data.tags["study.label"], set()).add(run.data.tags["study.outdated"])
    return found


def shown_as_confirmed(place: Place) -> list[str]:
    return sorted(run.data.tags["study.label"] for run in place.runs(views_of(place)["confirmed"]["searchFilter"]))


def test_what_the_search_has_outrun_leaves_the_view_of_what_is_confirmed_and_stays_findable(
    new_place: NewPlace,
) -> None:
    place = new_place(families=["ce", tce(0.5, 1.0)], **TWO)
    place.worker.accuracy = lambda todo, epoch: 0.6 + 0.05 * todo.config.number + 0.001 * epoch
    place.launch()
    place.confirm()
    place.track()
    assert outdated_of(place) == {"ce": {"no"}, "tce": {"no"}}
    assert shown_as_confirmed(place) == ["ce"] * 3 + ["tce"] * 3
    place.spec = new_place(families=["ce", tce(0.5, 1.0, 1.5)], **TWO).spec
    place.launch()
    place.track()
    assert outdated_of(place) == {"ce": {"no"}, "tce": {"yes"}}
    assert shown_as_confirmed(place) == ["ce"] * 3
    assert len(place.runs("tags.`study.outdated` = 'yes'")) == 3 + 1  # its trials and its cell
    place.confirm()
    place.track()
    assert outdated_of(place) == {"ce": {"no"}, "tce": {"no", "yes"}}
    assert shown_as_confirmed(place) == ["ce"] * 3 + ["tce"] * 3
    (best,) = {run.data.params["alpha"] for run in place.runs(views_of(place)["confirmed"]["searchFilter"])
               if run.data.tags["study.label"] == "tce"}  # fmt: skip
    assert best == "1.5"


def test_runs_from_before_they_said_so_are_marked_by_the_next_sync_and_in_a_store_that_was_emptied(
    new_place: NewPlace,
) -> None:
    import mlflow

    place = new_place(families=["ce", tce(0.5, 1.0)], **TWO)
    place.launch()
    place.confirm()
    place.track()
    client = mlflow.MlflowClient(tracking_uri=place.home.mlflow_uri)
    for run in place.runs("tags.`study.phase` = 'confirm'"):
        client.delete_tag(run.info.run_id, "study.outdated")
    with Ledger(place.paths.ledger, write=True) as ledger:
        ledger.record_tracked(place.home.mlflow_uri, [("standing", "", 0, "older")])
    place.spec = place.spec.model_copy(update={"families": place.spec.families[:1]})
    place.launch()  # runs nothing, and leaves tce out
    place.track()
    assert outdated_of(place) == {"ce": {"no"}, "tce": {"yes"}}
    (place.home.root / "mlflow.db").unlink()
    place.track()
    assert outdated_of(place) == {"ce": {"no"}, "tce": {"yes"}}
    assert place.track().pushed == 0


def test_trials_of_tasks_that_do_not_compare_are_never_in_one_view(place: Place) -> None:
    for name, view in views_of(place).items():
        noises = {run.data.tags["study.noise"] for run in place.runs(view["searchFilter"])}
        assert len(noises) == (2 if name == "cells" else 1)
    titles = [json.loads(tag)["name"] for name, tag in place.experiment().tags.items() if "sharedViewState" in name]
    assert {"Trials (clean), best first", "Trials (uniform 0.4), best first"} <= set(titles)


def test_the_dashboard_says_where_each_studys_table_of_best_configs_is(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STUDY_HOME", str(place.home.root))
    dashboard(port=5017, as_json=True)
    where = f"http://127.0.0.1:5017/#/experiments/{place.experiment().experiment_id}/runs?"
    assert json.loads(capsys.readouterr().out)["tables"] == {
        "small": f"{where}workflowType=machine_learning&viewStateShareKey=cells"
    }


def test_a_view_that_its_user_changed_stays(place: Place) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=place.home.mlflow_uri)
    own = json.dumps({"name": "mine", "createdAt": 1, "updatedAt": 2, "state": "{}"})
    (tag,) = [name for name in place.experiment().tags if name.endswith(".cells")]
    before = place.experiment().tags[tag]
    client.set_experiment_tag(place.experiment().experiment_id, tag, own)
    with Ledger(place.paths.ledger, write=True) as ledger:
        MlflowView(place.home.mlflow_uri, place.paths, place.home, ledger).connect()
    assert place.experiment().tags[tag] == own
    client.set_experiment_tag(place.experiment().experiment_id, tag, before)


def test_report_and_runs_lead_to_one_another(place: Place) -> None:
    page = write_report(place.home, place.paths)
    assert show_report(place.home, place.paths, page) is None
    cells = place.runs("tags.`study.level` = 'cell'")
    for run in cells:
        assert f"/runs/{run.info.run_id}?" in page.read_text()
    shown = re.sub(r"<details>.*?</details>", "", page.read_text(), flags=re.DOTALL)
    assert "/runs/" not in shown  # many links lie folded
    assert "127.0.0.1" not in re.sub(r"<[^>]+>", "", page.read_text())
    assert str(place.home.root) not in page.read_text()
    (report,) = place.runs("tags.`study.level` = 'report'")
    link = f"/runs/{report.info.run_id}/artifacts/report.html"
    assert all(link in run.data.tags[NOTE_TAG] for run in cells)
    assert link in place.experiment().tags[NOTE_TAG]
    (kept,) = place.home.mlflow_artifacts.rglob("report.html")
    assert kept.read_bytes() == page.read_bytes()
    listed = (page.parent / "tables" / "runs.csv").read_text().splitlines()
    assert len(listed) == 1 + len(place.runs("tags.`study.level` != 'report'"))


def test_a_description_leads_to_report_and_tables_and_a_users_own_stays() -> None:
    titles = {"cells": "Best", "trials": "Trials"}
    tables = "[Best](#/experiments/3/runs?workflowType=machine_learning&viewStateShareKey=cells) · [Trials](#/exp"
    said = in_a_sentence(["ce", "tce", "ce"], ["digits, uniform 0.4, mlp hidden=8"])
    assert said == "Study of 2 families on digits, uniform 0.4, mlp hidden=8."
    assert with_tables("", "3", titles, said).startswith(f"{said} · Tables: {tables}")
    assert with_tables(f"Tables: {tables}eriments/3)", "3", titles, said) == with_tables("", "3", titles, said)
    both = with_tables(with_report("", "#/old"), "3", titles, said)
    assert both.startswith(f"{said} · [Report of the study](#/old) · Tables: {tables}")
    assert with_report(both, "#/new") == both.replace("#/old", "#/new")
    assert with_report(with_tables("", "3", titles, said), "#/old") == both
    assert with_tables(both, "3", titles, said) == both
    assert with_tables(both, "3", titles, "Study of 3 families on 2 tasks.").startswith(
        "Study of 3 families on 2 tasks. · ["
    )
    assert with_tables("mine", "3", titles, said) == with_report("mine", "#/new") == "mine"
    for edited in (f"{both}\n\nmine", f"{both} mine", f"mine {both}", f"{said} It is mine."):
        assert with_report(edited, "#/new") == with_tables(edited, "3", {}, said) == edited
    many = with_tables("", "3", {f"trials-{task}": f"Trials ({task}), best first" for task in range(300)}, said)
    assert many.endswith(", and more under Views")
    assert len(many) < 5000


def test_a_second_report_takes_the_place_of_the_first_and_a_users_words_stay(place: Place) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=place.home.mlflow_uri)
    mine = place.runs("tags.`study.level` = 'cell'")[0].info.run_id
    client.set_tag(mine, NOTE_TAG, "look at seed 1")
    for _ in range(2):
        assert show_report(place.home, place.paths, write_report(place.home, place.paths, baseline="tce")) is None
    assert len(place.runs("tags.`study.level` = 'report'")) == 1
    assert client.get_run(mine).data.tags[NOTE_TAG] == "look at seed 1"


def test_a_study_without_mlflow_has_a_report_without_links(new_place: NewPlace) -> None:
    place = new_place(families=["ce"], noise__rate=0.0, tracking={"enabled": False})
    place.launch()
    page = write_report(place.home, place.paths)
    assert show_report(place.home, place.paths, page) is None
    assert "MLflow" not in page.read_text()
    assert not (page.parent / "tables" / "runs.csv").exists()
    assert not (place.home.root / "mlflow.db").exists()


def test_links_lead_to_the_server_and_hold_no_password(new_place: NewPlace) -> None:
    uri = "https://me:${PASSWORD}@mlflow.example.org/team/"
    place = new_place(families=["ce"], noise__rate=0.0, tracking={"enabled": True, "uri": uri})
    place.launch()
    with Ledger(place.paths.ledger, write=True) as ledger:
        assert run_links(ledger, place.home) is None
        key = next(iter(ledger.trials()))
        store = "https://***@mlflow.example.org/team/"
        ledger.record_tracked(store, [("experiment", "7", 0, ""), (key, "a" * 32, 9, "completed")])
        links = run_links(ledger, place.home)
    assert links is not None
    assert links.served
    assert links.address_of(links.runs[key]).startswith(f"{page_address(uri)}/#/experiments/7/runs/{'a' * 32}")
    assert page_address(uri) == "https://mlflow.example.org/team"
    older = "https://me:secret@mlflow.example.org/team/"
    place.paths.study_file.write_text(f"name: small\ntracking: {{uri: '{older}'}}\n")
    page = write_report(place.home, place.paths).read_text()
    assert "***@mlflow.example.org" in page
    assert "secret" not in page


@pytest.mark.parametrize(
    ("noted", "address"),
    [
        (None, "http://127.0.0.1:5000"),
        ("http://127.0.0.1:5066\n", "http://127.0.0.1:5066"),
        ("http://[::1]:5066", "http://[::1]:5066"),
        ('javascript:alert("5066")', "http://127.0.0.1:5000"),
        ('http://127.0.0.1:5066"><script>', "http://127.0.0.1:5000"),
    ],
)
def test_links_lead_to_where_the_dashboard_served_last(noted: str | None, address: str, place: Place) -> None:
    place.home.dashboard.unlink(missing_ok=True)
    if noted is not None:
        place.home.dashboard.write_text(noted)
    with Ledger(place.paths.ledger) as ledger:
        links = run_links(ledger, place.home)
    place.home.dashboard.unlink(missing_ok=True)
    assert links is not None
    assert links.address == address


def test_a_dashboard_that_is_served_is_remembered_and_one_that_is_only_asked_about_is_not(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STUDY_HOME", str(place.home.root))
    monkeypatch.setattr("os.execvpe", lambda *_: None)
    dashboard(port=5066, as_json=True)
    assert not place.home.dashboard.exists()
    dashboard(port=5066)
    assert "http://127.0.0.1:5066" in write_report(place.home, place.paths).read_text()
    place.home.dashboard.unlink()
