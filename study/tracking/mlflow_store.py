"""An MLflow store: its settings, its file where it is one, what it says of a problem."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from study.redaction import hidden, redacted
from study.tracking.faults import network_fault

KEY_TAG = "study.key"  # by which a run is found again
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a request to make a run, sent again, makes two
}


def settle_environment() -> None:
    """Set what MLflow reads from the environment, before it is imported; what the user has set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def in_a_line(problem: Exception, uri: str) -> str:
    """What MLflow said, in a line, without the user name and password of its address."""
    if fault := network_fault(problem):
        return fault
    lines = str(problem).splitlines() or [type(problem).__name__]
    said = next((line for line in lines if line.startswith("(sqlite3.")), lines[0])  # a database's comes second
    return hidden(said.replace(uri, redacted(uri)))[:300]


def make_sqlite_store(path: Path) -> None:
    """Make a store where there is none, whole or not at all: MLflow cannot open one that died while it was made."""
    if path.exists():
        return
    import mlflow

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        draft = Path(scratch, path.name)
        mlflow.MlflowClient(tracking_uri=f"sqlite:///{draft}").search_experiments(max_results=1)
        with suppress(FileExistsError):  # another study was faster: its store stays
            os.link(draft, path)


def is_missing(uri: str) -> bool:
    """Whether the store is a file that is not there."""
    return uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file()


def keeps_files_in(artifacts: Path, location: str) -> bool:
    """Whether an experiment's files lie in a folder of `artifacts`: MLflow keeps absolute paths, a home may move."""
    return location.rpartition("/")[0] == artifacts.as_uri()
