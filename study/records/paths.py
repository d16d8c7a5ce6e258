"""Every file name that a study leaves on disk. docs/on-disk.md says the same in words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from study.errors import StudyError
from trainables.files import cache_here
from trainables.names import unknown_name


@dataclass(frozen=True)
class StudyPaths:
    """The folder of one study."""

    root: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.root.name

    @property
    def ledger(self) -> Path:
        """Everything that happened: an SQLite file."""
        return self.root / "ledger.db"

    @property
    def lock(self) -> Path:
        """Names the process that writes the ledger."""
        return self.root / "writer.lock"

    @property
    def stop(self) -> Path:
        """While it exists, trials finish their epoch, save and leave."""
        return self.root / "stop"

    @property
    def search(self) -> Path:
        """What the proposers that learn were told: a journal of Optuna's."""
        return self.root / "search.journal"

    @property
    def study_file(self) -> Path:
        """The study file as it was last launched."""
        return self.root / "study.yaml"

    @property
    def best(self) -> Path:
        """The best configurations, written at the end of a launch."""
        return self.root / "best"

    @property
    def report(self) -> Path:
        """The report, as it was last written."""
        return self.root / "report"

    @property
    def storage(self) -> Path:
        """Names the storage that holds a copy of the study, where it has one."""
        return self.root / "storage"

    def checkpoint(self, trial_key: str) -> Path:
        """The folder of a trial's checkpoint; StudyError for a key, as of a forged ledger, that leads elsewhere."""
        return self.root / "checkpoints" / _a_name("trial key", trial_key)


@dataclass(frozen=True)
class Home:
    """The folder of all studies: `STUDY_HOME`, or `studies` under the current folder."""

    root: Path

    @classmethod
    def current(cls) -> Home:
        """The home that the environment asks for."""
        return cls(Path(os.environ.get("STUDY_HOME") or "studies").expanduser().absolute())

    @property
    def cache(self) -> Path:
        """Decoded data, splits, noise masks and similarities, shared by all studies; may be deleted at any time.

        `STUDY_CACHE` names another place.
        """
        return cache_here(self.root / ".cache")

    @property
    def submitted(self) -> Path:
        """On a cluster's head: the study files that were submitted, with the modules beside them, by their content."""
        return self.root / ".submitted"

    @property
    def outgoing(self) -> Path:
        """On a cluster's head: studies packed for `study pull`, until they are fetched."""
        return self.root / ".outgoing"

    @property
    def mlflow_uri(self) -> str:
        """The default MLflow store."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where runs in the default store keep files."""
        return self.root / "mlflow-artifacts"

    @property
    def mlflow_auth(self) -> Path:
        """Settings and users of `study dashboard --auth`; made anew by each."""
        return self.root / ".mlflow-auth"

    @property
    def dashboard(self) -> Path:
        """The address at which `study dashboard` served last: links lead there."""
        return self.root / ".dashboard"

    def study(self, name: str) -> StudyPaths:
        """The folder of the study `name`, whether or not it exists; StudyError for a name that leads elsewhere."""
        return StudyPaths(self.root / _a_name("study", name))

    def existing(self, name: str) -> StudyPaths:
        """The folder of the study `name`; StudyError where there is none."""
        if name not in self.names():
            raise StudyError(unknown_name("study", name, self.names(), f"studies in {self.root}"))
        return self.study(name)

    def names(self) -> list[str]:
        """Every study here."""
        return sorted(path.parent.name for path in self.root.glob("*/ledger.db"))

    def ensure_writable(self) -> None:
        """Make the folder; StudyError where that or writing into it is not allowed."""
        if bad := set("?#%") & set(str(self.root)):
            raise StudyError(
                f"{self.root}: '{''.join(sorted(bad))}' in a folder's name breaks MLflow's address of its SQLite file; "
                "set STUDY_HOME to another folder"
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise StudyError(
                f"{self.root}: cannot be made: {problem.strerror}; set STUDY_HOME to a folder of yours"
            ) from None
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise StudyError(f"{self.root}: cannot be written; set STUDY_HOME to a folder of yours")


def _a_name(what: str, name: str) -> str:
    """`name`, which is one part of a path."""
    if Path(name).name != name or name in ("", ".."):
        raise StudyError(f"{what} '{name}' is no name of a folder but a path; a name has no '/' and is not '..'")
    return name


def preset_names() -> list[str]:
    """Every study that is shipped."""
    return sorted(
        path.name.removesuffix(".yaml") for path in files("study.presets").iterdir() if path.name.endswith(".yaml")
    )


def find_study_file(name_or_path: str) -> Path:
    """The file at a path, or the shipped study of that name; StudyError where there is neither."""
    path = Path(name_or_path)
    if path.exists() or path.suffix in (".yaml", ".yml") or os.sep in name_or_path:
        return path
    if name_or_path in preset_names():
        return Path(str(files("study.presets") / f"{name_or_path}.yaml"))
    parts = [name for name in preset_names() if name.startswith(f"{name_or_path}-")]
    if len(parts) > 1:
        raise StudyError(f"'{name_or_path}' is {len(parts)} studies: {', '.join(parts)}; name one of them")
    raise StudyError(unknown_name("preset or file", name_or_path, preset_names(), "presets"))
