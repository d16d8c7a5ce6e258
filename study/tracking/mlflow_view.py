"""The ledger as an MLflow experiment: study = experiment, cell = parent run, trial = child run.

Runs are found again by the trial's key, a tag, so that no launch ever makes a second one. Metrics carry the time at
which they were measured: what is sent twice is the same point, and MLflow keeps it once.
"""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from study.records import states
from study.records.keys import key_of
from study.records.ledger import Ledger
from study.records.ledger_reader import TrialRecord
from study.records.paths import Home, StudyPaths
from study.redaction import redacted
from study.results.confirmed import outdated_keys
from study.results.selection import CellResult, cell_results
from study.tracking import tracked_so_far
from study.tracking.links import EXPERIMENT, STANDING
from study.tracking.mlflow_page import view_tags, view_titles
from study.tracking.mlflow_store import KEY_TAG, keeps_files_in, make_sqlite_store, settle_environment
from study.tracking.note import NOTE_TAG, in_a_sentence, with_tables
from study.tracking.owner import Owner, settled_experiment
from study.tracking.pictures import Pictures
from study.tracking.words import (
    OUTDATED_TAG,
    cell_run_name,
    cell_tags,
    flat_params,
    outdated_text,
    phase_of,
    searched_first,
    trial_run_name,
    values_text,
)
from trainables.trial import SEARCH

STATUS = {
    states.RUNNING: "RUNNING",
    states.COMPLETED: "FINISHED",
    states.STOPPED_EARLY: "KILLED",
    states.INTERRUPTED: "KILLED",
    states.DIVERGED: "FAILED",
    states.FAILED: "FAILED",
}
log = logging.getLogger(__name__)

BATCH = 1000  # metrics in one request, MLflow's limit
TOLERATED = 3  # runs that a store refuses before the others are not tried any more
RUNNING_PAUSE_S = 5.0  # between updates of a trial that is still running
SUMMARY_PAUSE_S = 15.0  # between those of a cell: a summary reads all its trials


class MlflowView:
    """Brings an MLflow store level with a ledger, as often as asked."""

    def __init__(self, uri: str, paths: StudyPaths, home: Home, ledger: Ledger) -> None:
        self.uri, self.ledger, self.artifacts = uri, ledger, home.mlflow_artifacts
        self.owner = Owner.of(paths.name, ledger)
        self.pictures = Pictures(home, paths)
        self.store = redacted(uri)
        self.pushed = 0
        self._client: Any = None
        self._artifacts_are_here = True  # not where the home was moved: MLflow keeps absolute paths
        self._cursors: dict[str, tuple[str, int, str]] | None = None  # None until the store was asked
        self._configs: dict[str, tuple[str, int]] = {}
        self._standing: dict[str, str] = {}  # what runs of confirmations say, by key
        self._running_pushed_at: dict[str, float] = {}
        self._summarised_at = -math.inf

    def behind(self) -> list[TrialRecord]:
        """Trials of which the store does not know everything yet, by what was brought over before."""
        keys = self._behind()
        return list(self.ledger.trials(keys).values()) if keys else []

    @property
    def num_behind(self) -> int:
        """How many trials those are."""
        return len(self._behind())

    def level(self, *, hurry: bool = False) -> None:
        """Bring over what is new. With `hurry` also the latest epochs of trials that are still running, and which
        confirmations the search has outrun.
        """
        todo, standing = self.behind(), self._standing_now() if hurry else {}
        if not todo and not self._is_news(standing) and not self._outdated(hurry):
            return
        self.connect()
        cells, configs = dict(self.ledger.cells(phase=None, all_scopes=True)), self._configs_of(todo)
        refused: list[Exception] = []
        for trial in todo:
            if trial.state == states.RUNNING and not hurry:
                pushed_at = self._running_pushed_at.setdefault(trial.key, time.monotonic())
                if time.monotonic() - pushed_at < RUNNING_PAUSE_S:
                    continue
                self._running_pushed_at[trial.key] = time.monotonic()
            cell_key, number = configs[trial.config_key]
            try:
                parent = self._parent(cell_key, cells[cell_key], trial.started_at or time.time())
                self._push(trial, number, cells[cell_key], parent)
            except Exception as problem:  # one run that the store refuses does not keep the others from it
                refused.append(problem)
                if len(refused) == TOLERATED:
                    raise
        outdated = self._outdated(hurry)
        for cell, status in outdated:
            self._summarise(cell, status)
        if any(status == "RUNNING" for _, status in outdated):
            self._summarised_at = time.monotonic()
        self._mark(standing)
        if refused:
            raise refused[0]

    def connect(self) -> None:
        """Find the study's experiment and its runs, making what is not there. Whatever MLflow raises passes through.

        An experiment of the study's name that is someone else's is left alone: the study's own then has a second name.
        """
        if self._client is not None:
            return
        settle_environment()
        logging.getLogger("alembic").setLevel(logging.WARNING)
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # says all again as a traceback
        if self.uri.startswith("sqlite:///"):
            make_sqlite_store(Path(self.uri.removeprefix("sqlite:///")))
        client = mlflow.MlflowClient(tracking_uri=self.uri)
        served = self.uri.startswith("http")
        experiment = settled_experiment(client, self.owner, None if served else self.artifacts)
        self._experiment_id = experiment.experiment_id
        self._artifacts_are_here = served or keeps_files_in(self.artifacts, experiment.artifact_location)
        self._furnish(client, experiment)
        known = self._noted_of(experiment)
        found, self._standing = {}, {}
        for key, run_id, outdated in self._existing_runs(client):
            if key in found:  # its answer was lost on the way, and it was made again
                client.delete_run(run_id)
                continue
            self._standing[key] = outdated
            before = known.get(key)
            # A run that the ledger does not know of was made by a launch that died before it could note it down.
            found[key] = before if before and before[0] == run_id else (run_id, 0, "")
        self._client, self._cursors = client, found

    def disconnect(self) -> None:
        """Forget what was found in the store; the next call looks again."""
        self._client, self._cursors = None, None

    # -- inside ---------------------------------------------------------------------------------------------------

    def _behind(self) -> list[str]:
        cursors = self._noted()
        reached = self.ledger.progress().items()
        return [key for key, progress in reached if cursors.get(key, ("", 0, ""))[1:] != progress]

    def _outdated(self, hurry: bool) -> list[tuple[CellResult, str]]:
        """Cells whose run does not count every trial that has ended, or has another status than the one beside them."""
        spec = self.ledger.spec()
        if spec is None:
            return []
        cursors, found = self._noted(), {}
        due = hurry or time.monotonic() - self._summarised_at >= SUMMARY_PAUSE_S
        for key, counts in self.ledger.cell_counts(spec["search"]["repeats"]).items():
            status, ended = cell_status(counts, hurry), sum(counts[state] for state in states.ENDED)
            begun = counts.total() > counts[states.WAITING]
            if begun and (due or status != "RUNNING") and cursors.get(key, ("", 0, ""))[1:] != (ended, status):
                found[key] = status
        if not found:
            return []
        cells = cell_results(self.ledger, phase=None, all_scopes=True)
        return [(cell, found[cell.key]) for cell in cells if cell.key in found]

    def _standing_now(self) -> dict[str, str]:
        return {key: outdated_text(outdated) for key, outdated in outdated_keys(self.ledger).items()}

    def _is_news(self, standing: Mapping[str, str]) -> bool:
        """Whether a run says otherwise; as the ledger noted it, before the store is asked."""
        if self._cursors is not None:
            return bool(self._to_mark(standing))
        return bool(standing) and self._noted().get(STANDING, ("", 0, ""))[2] != key_of(standing)

    def _to_mark(self, standing: Mapping[str, str]) -> list[str]:
        return [key for key in standing if key in self._noted() and self._standing.get(key) != standing[key]]

    def _mark(self, standing: Mapping[str, str]) -> None:
        """Let runs of confirmations say whether they are outdated, and note that they do."""
        for key in self._to_mark(standing):
            self._client.set_tag(self._cursor(key)[0], OUTDATED_TAG, standing[key])
            self._standing[key] = standing[key]
        if standing:
            self.ledger.record_tracked(self.store, [(STANDING, "", 0, key_of(standing))])

    def _noted(self) -> dict[str, tuple[str, int, str]]:
        return tracked_so_far(self.ledger, self.store) if self._cursors is None else self._cursors

    def _furnish(self, client: Any, experiment: Any) -> None:
        """Views, and the description that leads to them."""
        tags = view_tags(self.ledger, experiment.creation_time, experiment.tags)
        note = experiment.tags.get(NOTE_TAG, "")
        cells = [facts for _, facts in self.ledger.cells()]
        said = in_a_sentence([each["label"] for each in cells], [each["task"] for each in cells])
        if (described := with_tables(note, self._experiment_id, view_titles(self.ledger), said)) != note:
            tags[NOTE_TAG] = described
        for name, value in tags.items():
            client.set_experiment_tag(self._experiment_id, name, value)

    def _noted_of(self, experiment: Any) -> dict[str, tuple[str, int, str]]:
        """What the ledger noted of an experiment, and that it is the study's; a word where it has a second name."""
        known = self.ledger.tracked(self.store)
        experiment_id, _, name = known.get(EXPERIMENT, ("", 0, ""))
        if (experiment_id, name) == (experiment.experiment_id, experiment.name):
            return known
        if known and experiment_id != experiment.experiment_id:
            self.ledger.forget_tracked(self.store)
            known = {}
        self.ledger.record_tracked(self.store, [(EXPERIMENT, experiment.experiment_id, 0, experiment.name)])
        if experiment.name == self.owner.second_name:
            told = f"MLflow at {self.store} has '{self.owner.study}' of another study: ours is '{experiment.name}'"
            self.ledger.record_event("tracking", told)
            log.warning(told)
        return known

    def _existing_runs(self, client: Any) -> Iterator[tuple[str, str, str]]:
        """Key, id, and what it says of being outdated."""
        token = None
        while True:
            page = client.search_runs(
                [self._experiment_id],
                order_by=["attributes.start_time ASC"],
                max_results=5000,
                page_token=token,
            )
            for run in page:
                if KEY_TAG in run.data.tags:
                    yield run.data.tags[KEY_TAG], run.info.run_id, run.data.tags.get(OUTDATED_TAG, "")
            token = page.token
            if not token:
                return

    def _configs_of(self, trials: list[TrialRecord]) -> dict[str, tuple[str, int]]:
        """Cell and number of configs, read anew where one of these trials has a config that came since."""
        if any(trial.config_key not in self._configs for trial in trials):
            configs = self.ledger.configs(phase=None, all_scopes=True)
            self._configs = {config: (cell, number) for cell, config, number, _ in configs}
        return self._configs

    def _cursor(self, key: str) -> tuple[str, int, str]:
        assert self._cursors is not None, "connect comes first"
        return self._cursors[key]

    def _run(self, key: str, name: str, started_at: float, tags: dict[str, str]) -> str:
        if self._cursors is None or key not in self._cursors:
            if OUTDATED_TAG in tags:
                self._standing[key] = tags[OUTDATED_TAG]
            run = self._client.create_run(
                self._experiment_id, start_time=int(started_at * 1000), run_name=name, tags={KEY_TAG: key, **tags}
            )
            self._note(key, run.info.run_id, 0, "")
        return self._cursor(key)[0]

    def _note(self, key: str, run_id: str, epoch: int, state: str) -> None:
        assert self._cursors is not None, "connect comes first"
        self._cursors[key] = (run_id, epoch, state)
        self.ledger.record_tracked(self.store, [(key, run_id, epoch, state)])
        self.pushed += 1

    def _parent(self, cell_key: str, facts: dict[str, Any], started_at: float) -> str:
        tags = {"study.level": "cell", **cell_tags(facts), **_current(facts)}
        return self._run(cell_key, cell_run_name(facts), started_at, tags)

    def _push(self, trial: TrialRecord, number: int, cell: dict[str, Any], parent: str) -> None:
        from study.tracking import mlflow_entities as entities  # brings mlflow

        description = self.ledger.trial(trial.key)
        params = flat_params(description, trial.repeat)
        tags = {"mlflow.parentRunId": parent, "study.level": "trial", **cell_tags(cell), **_current(cell)}
        started_at = trial.started_at or time.time()
        run_id = self._run(trial.key, trial_run_name(cell, params, trial.repeat), started_at, tags)
        _, epoch, state = self._cursor(trial.key)
        metrics = entities.metrics_of(self.ledger, trial, description["monitor"]["metric"], epoch)
        tags_now = entities.state_tags(trial, number)
        new_params = []
        if epoch == 0:
            new_params, tags_now = entities.params_of(params), [*entities.fact_tags(trial), *tags_now]
            self._client.log_inputs(run_id, datasets=entities.data_of(description))
        batches = list(_chunks(metrics, BATCH)) or [[]]
        for batch in batches[:-1]:
            self._client.log_batch(run_id, metrics=batch)
        self._client.log_batch(run_id, metrics=batches[-1], params=new_params, tags=tags_now)
        if trial.state == states.COMPLETED and self._artifacts_are_here:
            with tempfile.TemporaryDirectory() as scratch:
                for picture in self.pictures.draw_learned(trial.key, description, Path(scratch)):
                    self._client.log_artifact(run_id, str(picture), "learned")
        if trial.state in states.ENDED:
            self._client.set_terminated(run_id, STATUS[trial.state], int((trial.ended_at or time.time()) * 1000))
        elif state in states.ENDED:
            self._client.update_run(run_id, status=STATUS[states.RUNNING])
        self._note(trial.key, run_id, trial.epoch, trial.state)

    def _summarise(self, cell: CellResult, status: str) -> None:
        """The cell's own run: how many trials ended, what the comparison says of it, and its status."""
        from mlflow.entities import Metric, RunTag

        metrics, tags = {"trials_ended": float(cell.ended)}, []
        if cell.best is not None:
            metrics |= {"best_mean": cell.best.mean, "best_n": float(cell.best.n)}
            metrics |= {"best_sd": cell.best.sd} if cell.best.sd is not None else {}
            tags = [
                RunTag("study.best_config", str(cell.best.number)),
                RunTag("study.best", values_text(searched_first(cell.best.params, cell.facts.get("searched", ())))),
            ]
        now = int(time.time() * 1000)
        run_id = self._parent(cell.key, cell.facts, time.time())
        self._client.log_batch(
            run_id, metrics=[Metric(name, value, now, cell.ended) for name, value in metrics.items()], tags=tags
        )
        if status == "RUNNING":
            self._client.update_run(run_id, status=status)
        else:
            if cell.best is not None and self._artifacts_are_here:
                with tempfile.TemporaryDirectory() as scratch:
                    for file in self.pictures.draw_cell(self.ledger, cell, Path(scratch)):
                        self._client.log_artifact(run_id, str(file))
            self._client.set_terminated(run_id, status)
        self._note(cell.key, run_id, cell.ended, status)


def cell_status(counts: Mapping[str, int], ended: bool) -> str:
    """What MLflow calls the state of a cell's run, by its trials' states; `ended`: no launch is at work on it."""
    if not counts[states.WAITING] + counts[states.RUNNING] + counts[states.INTERRUPTED]:
        return "FINISHED"
    return "KILLED" if ended else "RUNNING"


def _current(cell: Mapping[str, Any]) -> dict[str, str]:
    """What a new run of a confirmation says: that it counts."""
    return {} if phase_of(cell) == SEARCH else {OUTDATED_TAG: outdated_text(False)}


def _chunks(values: Sequence[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
