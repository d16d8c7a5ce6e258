"""A study's report in MLflow: the page as an artifact of a run of its own, which the cells' runs lead to."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.redaction import redacted
from study.tracking import launched_tracking, tracking_uri
from study.tracking.faults import patiently
from study.tracking.links import CLASSICAL
from study.tracking.mlflow_store import (
    KEY_TAG,
    in_a_line,
    is_missing,
    keeps_files_in,
    settle_environment,
)
from study.tracking.note import NOTE_TAG, with_report
from study.tracking.owner import Owner, own_experiment

REPORT = "report"  # level and key of its run
PAGE = "report.html"
DIGEST_TAG = "study.sha256"


def show_report(home: Home, paths: StudyPaths, page: Path) -> str | None:
    """Bring a written report into the study's store, once; a sentence where that did not work.

    Nothing is done where the study is not tracked, or not shown in the store yet: `study sync` does both.
    """
    with Ledger(paths.ledger) as ledger:
        tracking, owner = launched_tracking(ledger), Owner.of(paths.name, ledger)
    if not tracking.enabled:
        return None
    try:
        uri = tracking_uri(tracking, home)
    except StudyError as lacking:
        return f"MLflow has no link to the report: {lacking}"
    if is_missing(uri):
        return None
    settle_environment()
    try:
        patiently(lambda: _bring(uri, owner, page, home), lambda: 0)
    except Exception as problem:  # whatever a store can raise: the report is written, and does without it
        return f"MLflow at {redacted(uri)} has no link to the report: {in_a_line(problem, uri)}"
    return None


def _bring(uri: str, owner: Owner, page: Path, home: Home) -> None:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = own_experiment(client, owner)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        return
    if not uri.startswith("http") and not keeps_files_in(home.mlflow_artifacts, experiment.artifact_location):
        return
    where, digest = [experiment.experiment_id], hashlib.sha256(page.read_bytes()).hexdigest()
    cells = _runs(client, where, "cell")
    runs = _runs(client, where, REPORT)
    run = runs[0] if runs else client.create_run(
        *where, run_name=f"report · {owner.study}", tags={KEY_TAG: REPORT, "study.level": REPORT}
    )  # fmt: skip
    run_id = run.info.run_id
    if run.data.tags.get(DIGEST_TAG) != digest:
        with tempfile.TemporaryDirectory() as scratch:  # the page may bear another name
            copy = Path(scratch, PAGE)
            copy.write_bytes(page.read_bytes())
            client.log_artifact(run_id, str(copy))
        client.set_tag(run_id, DIGEST_TAG, digest)
        client.set_terminated(run_id)
    address = f"#/experiments/{where[0]}/runs/{run_id}/artifacts/{PAGE}?{CLASSICAL}"
    for cell in cells:
        note = cell.data.tags.get(NOTE_TAG, "")
        if (described := with_report(note, address)) != note:
            client.set_tag(cell.info.run_id, NOTE_TAG, described)
    note = experiment.tags.get(NOTE_TAG, "")
    if (described := with_report(note, address)) != note:
        client.set_experiment_tag(where[0], NOTE_TAG, described)


def _runs(client: Any, where: list[str], level: str) -> list[Any]:
    return list(client.search_runs(where, f"tags.`study.level` = '{level}'", max_results=5000))
