"""MLflow servers that fail: the study goes on, and every command says so in a line and in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from study.errors import StudyError
from study.export import export_study
from study.export.registry import register
from study.records.ledger import Ledger
from study.report import write_report
from study.tracking import faults, make_tracker, trials_behind
from study.tracking import mlflow as follower
from study.tracking.faults import UnansweredError, patiently
from study.tracking.mlflow_report import show_report
from study.tracking.mlflow_store import settle_environment
from study.tracking.mlflow_view import MlflowView
from tests.study.conftest import SpecMaker
from tests.study.trained import Trained, train
from tests.tracking.conftest import Place
from tests.tracking.servers import Answer, internal_error, nonsense, serving, silence, trickle

NewPlace = Callable[..., Place]
FEW = {"families": ["ce", "tce"], "noise__rate": 0.0, "training__epochs": 2, "search__repeats": 1}
FAULTS = {
    "refuses": (internal_error, "it answers with error 500"),
    "is silent": (silence, "no answer in time"),
    "trickles": (trickle, "no answer for 1.5 s"),
    "is something else": (nonsense, "what answers there is not MLflow"),
}
BOUND_S = 30.0  # with the patience below


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_environment()
    import mlflow

    assert mlflow.MlflowClient  # imported before anything is timed
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(faults, "PATIENCE_S", 1.5)
    monkeypatch.setattr(follower, "PATIENCE_S", 6.0)  # more than two requests that time out


@pytest.fixture
def in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < BOUND_S


def sync(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from study.cli.sync import sync as command

    monkeypatch.setenv("STUDY_HOME", str(place.home.root))
    command(place.spec.name)


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_study_ends_in_time_and_says_once_what_is_wrong(
    fault: str, new_place: NewPlace, caplog: pytest.LogCaptureFixture
) -> None:
    answer, said = FAULTS[fault]
    with serving(answer) as uri:
        place = new_place(**FEW, tracking={"enabled": True, "uri": uri})
        place.launch()
        with caplog.at_level(logging.WARNING, "study"), Ledger(place.paths.ledger, write=True) as ledger:
            tracker = make_tracker(place.spec, place.home, ledger)
            tracker.wake()
            problem = tracker.close()
            assert trials_behind(ledger, place.home) == len(ledger.trials())
    expected = "does not answer" if fault == "trickles" else f"is behind: {said}"
    assert problem == f"MLflow at {uri} {expected}"
    assert len(caplog.messages) == (fault != "trickles")


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("fault", FAULTS)
def test_sync_says_what_is_wrong_in_a_line(fault: str, new_place: NewPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    answer, said = FAULTS[fault]
    with serving(answer) as uri:
        place = new_place(**FEW, tracking={"enabled": True, "uri": uri})
        place.launch()
        with pytest.raises(StudyError) as raised:
            sync(place, monkeypatch)
    assert str(raised.value) == f"MLflow at {uri}: {said}; is it running? then sync again"


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_report_is_whole_without_the_server(fault: str, new_place: NewPlace) -> None:
    answer, said = FAULTS[fault]
    with serving(answer) as uri:
        place = new_place(**FEW, tracking={"enabled": True, "uri": uri})
        place.launch()
        page = write_report(place.home, place.paths)
        assert show_report(place.home, place.paths, page) == f"MLflow at {uri} has no link to the report: {said}"
    assert page.stat().st_size > 10_000


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    spec = make_spec(
        families=["ce"], noise__rate=0.0, training__epochs=1, search__repeats=1, tracking={"enabled": True}
    )
    found = train(tmp_path_factory.mktemp("home"), spec)
    export_study(found.paths, found.paths.best)
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_registering_says_what_is_wrong_in_a_line(fault: str, exported: Trained) -> None:
    answer, said = FAULTS[fault]
    with serving(answer) as uri, Ledger(exported.paths.ledger, write=True) as ledger:
        moved = exported.spec.model_copy(update={"tracking": exported.spec.tracking.model_copy(update={"uri": uri})})
        ledger.record_spec(moved.model_dump(mode="json"), {})
        ledger.record_tracked(uri, [(key, "f" * 32, 1, "completed") for key in ledger.trials()])
        began = time.monotonic()
        with pytest.raises(StudyError) as raised:
            register(sorted(exported.paths.best.glob("*.yaml")), exported.paths, exported.home)
        assert time.monotonic() - began < BOUND_S
    expected = f"MLflow at {uri}: {said}; registered before this stays, the same command goes on"
    assert str(raised.value) == expected


def test_a_server_that_dies_midway_leaves_a_store_that_sync_brings_level(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real MLflow behind a gate that closes after some requests: every run is made once."""
    import urllib.request
    from http.server import BaseHTTPRequestHandler

    from tests.launch.conftest import free_port, started

    left = [15]

    def gate(target: str) -> Answer:
        def pass_on(request: BaseHTTPRequestHandler) -> None:
            left[0] -= 1
            if left[0] < 0:
                request.connection.close()
                return
            length = int(request.headers.get("Content-Length") or 0)
            asked = urllib.request.Request(
                target + request.path, request.rfile.read(length) or None, {"Content-Type": "application/json"},
                method=request.command,
            )  # fmt: skip
            try:
                with urllib.request.urlopen(asked) as answer:
                    status, body = answer.status, answer.read()
            except urllib.error.HTTPError as problem:
                status, body = problem.code, problem.read()
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.send_header("Content-Type", "application/json")
            request.end_headers()
            request.wfile.write(body)

        return pass_on

    port, root = free_port(), new_place().home.root
    real = f"http://127.0.0.1:{port}"
    store = ("--backend-store-uri", f"sqlite:///{root}/server.db", "--artifacts-destination", str(root))
    with (
        started(f"{real}/health", "mlflow", "server", *store, "--port", str(port), "--workers", "1"),
        serving(gate(real)) as uri,
    ):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        place = new_place(**FEW, tracking={"enabled": True, "uri": uri})
        place.launch()
        with Ledger(place.paths.ledger, write=True) as ledger:
            tracker = make_tracker(place.spec, place.home, ledger)
            tracker.wake()
            assert tracker.close() == f"MLflow at {uri} is behind: the connection broke off"
            assert 0 < trials_behind(ledger, place.home) < len(ledger.trials())
        left[0] = 10_000
        sync(place, monkeypatch)
        keys = [run.data.tags["study.key"] for run in place.runs(uri=real)]
        with Ledger(place.paths.ledger) as ledger:
            assert trials_behind(ledger, place.home) == 0
            assert sorted(keys) == sorted([*ledger.trials(), *dict(ledger.cells())])


def test_patience_lasts_as_long_as_there_is_progress() -> None:
    steps = [0]

    def work() -> str:
        for _ in range(6):
            time.sleep(0.1)
            steps[0] += 1
        return "done"

    assert patiently(work, lambda: steps[0], patience_s=0.3) == "done"
    with pytest.raises(UnansweredError, match=r"no answer for 0\.3 s"):
        patiently(lambda: time.sleep(2), lambda: 0, patience_s=0.3)
    with pytest.raises(ZeroDivisionError):
        patiently(lambda: 1 / 0, lambda: 0)


def test_while_mlflow_is_brought_up_to_date_it_is_said_how_many_trials_are_left(
    new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place(**FEW)
    place.launch()
    monkeypatch.setattr(follower, "SAY_EVERY_S", 0.0)
    push, said = MlflowView._push, list[str]()

    def slowly(view: MlflowView, *what: Any) -> None:
        push(view, *what)
        time.sleep(0.5)

    monkeypatch.setattr(MlflowView, "_push", slowly)
    with Ledger(place.paths.ledger, write=True) as ledger:
        trials = len(ledger.trials())
        tracker = make_tracker(place.spec, place.home, ledger)
        assert tracker.close(said.append) is None
    steps = list(dict.fromkeys(said))
    assert steps[:2] == [f"bringing MLflow up to date, {left} trials left" for left in (trials, trials - 1)]
