"""A study from Python: its tables as pandas data frames.

from study import Study

study = Study.load("quickstart")  # in STUDY_HOME or ./studies, as on the command line
study.trials().query("state == 'completed'").groupby("family").best_score.max()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError
from study.records.ledger import CONFIRM, Ledger
from study.records.paths import Home, StudyPaths
from study.results.confirmed import confirmations
from study.results.selection import CellResult, cell_results
from trainables.names import unknown_name
from trainables.trial import SEARCH

if TYPE_CHECKING:
    from pandas import DataFrame

    from study.results.compare import Comparison

ABOUT_CELL = ("dataset", "noise", "noise_rate", "model")


class Study:
    """A study as its ledger knows it, read anew by every call; nothing here changes it. Mistakes are StudyErrors."""

    def __init__(self, paths: StudyPaths) -> None:
        """Use `Study.load`."""
        self.paths = paths

    @classmethod
    def load(cls, name: str, home: str | Path | None = None) -> Study:
        """The study `name` in `home`, by default where the command line looks for it. StudyError where there is none.

        Whether its ledger can be read is seen at once.
        """
        found = Home(Path(home).expanduser().absolute()) if home is not None else Home.current()
        paths = found.existing(name)
        with Ledger(paths.ledger):
            return cls(paths)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.paths.name

    def __repr__(self) -> str:
        return f"Study.load({self.name!r}, home={str(self.paths.root.parent)!r})"

    def trials(self) -> DataFrame:
        """One row per trial there ever was, by `trial_key`: family, task, repeat, state, scores, settings as columns.

        `phase` is `search` or `confirm`; the test metrics of the latter are columns `test_...`. `in_scope` says whether
        the study file, or the last `study confirm`, still asks for it.
        """
        with self._ledger() as ledger:
            cells = dict(ledger.cells(phase=None, all_scopes=True))
            inside = ledger.trials_in_scope()
            configs = {key: (cells[cell], params) for cell, key, _, params in self._configs(ledger)}
            rows = []
            for trial in ledger.trials().values():
                facts, params = configs[trial.config_key]
                rows.append(
                    {
                        "trial_key": trial.key,
                        "config_key": trial.config_key,
                        **_about(facts),
                        "repeat": trial.repeat,
                        "state": trial.state,
                        "reason": trial.reason,
                        "epoch": trial.epoch,
                        "best_epoch": trial.best_epoch,
                        "best_score": trial.best_score,
                        "last_score": trial.last_score,
                        "seconds": trial.seconds,
                        "attempts": trial.attempts,
                        "in_scope": trial.key in inside,
                        **params,
                        **{name: v for name, v in trial.facts.get("test", {}).items() if name != "epoch"},
                    }
                )
        return _frame(rows, "trial_key")

    def configs(self, phase: str = SEARCH) -> DataFrame:
        """One row per config in scope, by `config_key`: its settings, and mean, sd and n of the selection metric.

        In the phase `confirm` scores are of test images; cells are left out whose confirmation no longer counts.
        """
        with self._ledger() as ledger:
            rows = [
                {
                    "config_key": config.key,
                    **_about(cell.facts),
                    "number": config.number,
                    "mean": config.mean if config.n else None,
                    "sd": config.sd,
                    "n": config.n,
                    "best": cell.best is not None and config.key == cell.best.key,
                    **config.params,
                }
                for cell in self._cells(ledger, phase)
                for config in cell.configs
            ]
        return _frame(rows, "config_key")

    def best(self) -> DataFrame:
        """One row per cell: its best config by validation, and, where that was confirmed, its scores on test images."""
        from study.export.values import confirmed_values

        rows = []
        with self._ledger() as ledger:
            confirmed = cell_results(ledger, phase=CONFIRM)
            for cell in cell_results(ledger):
                if cell.best is None:
                    continue
                test = confirmed_values(ledger, confirmed, cell, cell.best) or {}
                rows.append(
                    {
                        **_about(cell.facts),
                        "mean": cell.best.mean,
                        "sd": cell.best.sd,
                        "n": cell.best.n,
                        "test_mean": test.get("mean"),
                        "test_sd": test.get("sd"),
                        "test_n": test.get("n", 0),
                        "config_key": cell.best.key,
                        **cell.best.params,
                    }
                )
        return _frame(rows)

    def curves(self, trial_key: str) -> DataFrame:
        """One row per epoch of a trial, by `epoch`, one column per metric. StudyError for an unknown trial."""
        with self._ledger() as ledger:
            if trial_key not in (known := ledger.trials()):
                raise StudyError(unknown_name("trial", trial_key, list(known), f"trials of '{self.name}'"))
            rows = [{"epoch": epoch, **metrics} for epoch, metrics in ledger.reports(trial_key)]
        return _frame(rows, "epoch")

    def compare(self, baseline: str | None = None, phase: str | None = None) -> Comparison:
        """Families compared, as `study compare` does; its `to_frame()` is a table. StudyError as that says."""
        from study.results.compare import compare

        with self._ledger() as ledger:
            return compare([(self.name, ledger)], baseline=baseline, phase=phase)

    def report(self, out: str | Path | None = None, baseline: str | None = None) -> Path:
        """Write the report as `study report` does, by default into the study's folder; its page."""
        from study.report import write_report

        where = Path(out) if out is not None else None
        return write_report(Home(self.paths.root.parent), self.paths, where, baseline=baseline)

    def _ledger(self) -> Ledger:
        return Ledger(self.paths.ledger)

    def _cells(self, ledger: Ledger, phase: str) -> list[CellResult]:
        if phase not in (SEARCH, CONFIRM):
            raise StudyError(unknown_name("phase", phase, [SEARCH, CONFIRM], "phases"))
        found = confirmations(ledger, self.name)
        return list(found.searched if phase == SEARCH else found.cells)

    def _configs(self, ledger: Ledger) -> list[tuple[str, str, int, dict[str, Any]]]:
        """All of them, those in scope last, so that they win where two cells share a config."""
        return [*ledger.configs(phase=None, all_scopes=True), *ledger.configs(phase=None)]


def _about(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "phase": facts.get("phase", SEARCH),
        "family": facts["label"],
        **{name: facts[name] for name in ABOUT_CELL},
    }


def _frame(rows: Iterable[Mapping[str, Any]], index: str | None = None) -> DataFrame:
    from pandas import DataFrame

    frame = DataFrame(list(rows))
    return frame.set_index(index) if index and index in frame else frame
