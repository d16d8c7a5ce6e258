"""Proposers that learn: what they are told, what they keep in the study's folder, and how a later launch goes on."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from study.errors import StudyError
from study.planning.pilot import foresee
from study.planning.warm_start import check_warm_start
from study.records.ledger import Ledger
from study.records.paths import Home
from study.results.compare import compare
from tests.study.conftest import ASHA, TPE, Driver, SpecMaker, Todo, Worker, by_alpha

TWELVE = TPE | {"search": {"name": "tpe", "configs": 12, "repeats": 1}}
SMOOTH = {
    "families": TPE["families"],
    "noise__rate": 0.0,
    "training__optimizer__lr": {"loguniform": [0.001, 1.0]},
}


def journal(folder: Path) -> list[optuna.trial.FrozenTrial]:
    """The trials of the only cell, as any reader of Optuna's storage sees them."""
    storage = JournalStorage(JournalFileBackend(str(folder / "search.journal")))
    study = optuna.load_study(study_name=None, storage=storage)
    return study.get_trials()


def told(folder: Path) -> dict[str, tuple[str, float | None]]:
    return {json.dumps(trial.params): (trial.state.name, trial.value) for trial in journal(folder)}


def distance(params: dict[str, Any]) -> float:
    """How far a config is from the best one."""
    return abs(params["alpha"] - 1.0) + abs(math.log10(params["training.optimizer.lr"] / 0.05))


def by_alpha_and_rate(todo: Todo, epoch: int) -> float:
    return 0.9 - 0.1 * distance(todo.config.params) + 0.001 * epoch


def proposed(driver: Driver, make_spec: SpecMaker, name: str, configs: tuple[int, ...]) -> list[dict[str, Any]]:
    """The configs of a study that is launched with more and more of them, in order."""
    for count in configs:
        driver.launch(make_spec(**SMOOTH, search={"name": name, "configs": count}), slots=1)
    with Ledger(driver.ledger_path) as ledger:
        return [params for _, _, _, params in ledger.configs()]


@pytest.fixture
def folder(driver: Driver) -> Path:
    driver.worker.accuracy = by_alpha
    return driver.ledger_path.parent


class TestWhatTheyAreTold:
    def test_a_completed_config_with_its_score(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        driver.launch(make_spec(**TWELVE))
        for trial in journal(folder):
            assert trial.state.name == "COMPLETE"
            assert trial.value == pytest.approx(0.9 - 0.1 * abs(trial.params["alpha"] - 1.0) + 0.009)

    def test_the_mean_of_its_repeats(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        driver.worker.accuracy = lambda todo, epoch: by_alpha(todo, epoch) + 0.01 * todo.repeat
        ran = driver.launch(make_spec(**TWELVE, search__repeats=3)).ran
        assert len(ran) == 36
        for trial in journal(folder):
            assert trial.value == pytest.approx(0.9 - 0.1 * abs(trial.params["alpha"] - 1.0) + 0.009 + 0.01)

    def test_repeats_come_before_further_configs(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        ran = driver.launch(make_spec(**TWELVE, search__repeats=3), slots=1).ran
        assert [(number, repeat) for _, _, number, repeat in ran] == [(n, r) for n in range(12) for r in range(3)]

    def test_no_mean_of_repeats_that_an_interruption_left(
        self, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        interrupted = [True]
        driver.worker.accuracy = lambda todo, epoch: by_alpha(todo, epoch) + 0.01 * todo.repeat
        driver.worker.mishap = lambda todo, epoch: (
            "interrupted" if interrupted[0] and (todo.config.number, todo.repeat, epoch) == (3, 2, 5) else None
        )
        driver.launch(make_spec(**TWELVE, search__repeats=3))
        assert sum(trial.state.name == "RUNNING" for trial in journal(folder)) == 1
        interrupted[0] = False
        driver.launch(make_spec(**TWELVE, search__repeats=3))
        for trial in journal(folder):
            assert trial.value == pytest.approx(0.9 - 0.1 * abs(trial.params["alpha"] - 1.0) + 0.009 + 0.01)

    def test_stopped_as_pruned_and_diverged_as_failed(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        driver.worker.mishap = lambda todo, epoch: "diverged" if todo.config.number == 4 else None
        driver.launch(make_spec(**TWELVE, scheduler=ASHA))
        states = [trial.state.name for trial in journal(folder)]
        assert states.count("FAIL") == 1
        assert states.count("PRUNED") == driver.states()["stopped_early"] > 0
        steps = {trial.last_step for trial in journal(folder) if trial.state.name == "PRUNED"}
        assert steps <= {1, 3}

    def test_a_completed_config_without_a_finite_score_as_failed(
        self, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        driver.worker.accuracy = lambda todo, epoch: math.nan if todo.config.number == 4 else by_alpha(todo, epoch)
        driver.launch(make_spec(**TWELVE, search__repeats=2))
        assert driver.states() == {"completed": 24}
        trials = journal(folder)
        assert [trial.state.name for trial in trials].count("COMPLETE") == 11
        assert [trial.user_attrs for trial in trials if trial.state.name == "FAIL"] == [{}]

    def test_a_metric_to_be_small_with_its_sign_turned(
        self, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        driver.launch(make_spec(**TWELVE, select={"metric": "val_loss"}))
        best = max(journal(folder), key=lambda trial: trial.value or 0)
        assert abs(best.params["alpha"] - 1) == min(abs(trial.params["alpha"] - 1) for trial in journal(folder))


class TestAnotherLaunch:
    def test_goes_on_from_what_was_told(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        driver.launch(make_spec(**TWELVE))
        before = told(folder)
        launch = driver.launch(make_spec(**TWELVE, search__configs=20))
        assert len(launch.ran) == 8
        assert len(told(folder)) == 20
        assert before.items() <= told(folder).items()

    @pytest.mark.parametrize("name", ["tpe", "gp", "cma_es"])
    def test_of_a_study_that_died_runs_no_config_twice(
        self, name: str, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        spec = make_spec(**TPE, search__name=name, search__configs=14)
        first = driver.launch(spec, dies_after=7)
        second = driver.launch(spec)
        assert driver.states() == {"completed": 14}
        assert len(set(first.keys) | set(second.keys)) == 14
        assert [state for state, _ in told(folder).values()] == ["COMPLETE"] * 14

    @pytest.mark.parametrize("name", ["random", "quasi_random"])
    def test_with_more_configs_proposes_what_one_launch_would_have_where_results_do_not_matter(
        self, name: str, tmp_path: Path, cache: Path, make_spec: SpecMaker
    ) -> None:
        once, thrice = (
            proposed(Driver(tmp_path / f"{count}.db", cache, Worker(by_alpha)), make_spec, name, configs)
            for count, configs in enumerate([(22,), (7, 13, 22)])
        )
        assert len(once) == 22
        assert once == thrice

    @pytest.mark.parametrize(("name", "configs"), [("tpe", (14, 24)), ("gp", (12, 15)), ("cma_es", (24, 48))])
    def test_with_more_configs_proposes_near_what_the_launches_before_found_good(
        self, name: str, configs: tuple[int, ...], driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        driver.worker.accuracy = by_alpha_and_rate
        found = proposed(driver, make_spec, name, configs)
        assert len(found) == configs[-1]
        by_chance, learnt = found[:10], found[configs[0] :]
        assert statistics.fmean(map(distance, learnt)) < 0.75 * statistics.fmean(map(distance, by_chance))

    def test_counts_no_config_twice_that_the_sampler_came_back_to(
        self, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        few = TPE | {"families": [{"family": "tce", "space": {"alpha": {"grid": [n / 10 for n in range(1, 31)]}}}]}
        for configs in (22, 24, 26):
            driver.launch(make_spec(**few, search__configs=configs), slots=1)
        trials = journal(folder)
        repeated = [trial for trial in trials if trial.state.name == "FAIL"]
        assert repeated, "the sampler never came back to a config: the test shows nothing"
        assert all(trial.user_attrs == {"repeated": True} for trial in repeated)
        assert len(trials) - len(repeated) == 26

    def test_does_without_the_journal(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        driver.launch(make_spec(**TWELVE))
        before = told(folder)
        (folder / "search.journal").unlink()
        assert len(driver.launch(make_spec(**TWELVE, search__configs=15)).ran) == 3
        assert before.items() <= told(folder).items()

    @pytest.mark.parametrize("torn", [b'{"op_code":4,"worker', b"\x00\xff\n{}\nnothing\n"], ids=["cut", "damaged"])
    def test_bears_a_journal_that_was_cut_or_damaged(
        self, torn: bytes, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        driver.launch(make_spec(**TWELVE))
        with (folder / "search.journal").open("ab") as file:
            file.write(torn)
        assert len(driver.launch(make_spec(**TWELVE, search__configs=15)).ran) == 3
        assert len(told(folder)) == 15

    def test_of_another_space_begins_anew_with_what_it_still_holds(
        self, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        driver.launch(make_spec(**TWELVE))
        wider = [{"family": "tce", "space": {"alpha": {"uniform": [0.1, 3.0]}}}]
        assert len(driver.launch(make_spec(**TWELVE | {"families": wider}, search__configs=15)).ran) == 3

    def test_without_the_scheduler_tells_what_the_stopped_ones_came_to(
        self, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        driver.launch(make_spec(**TWELVE, scheduler=ASHA))
        driver.launch(make_spec(**TWELVE))
        assert sum(trial.state.name == "COMPLETE" for trial in journal(folder)) == 12


class TestWarmStart:
    def launch_other(self, driver: Driver, make_spec: SpecMaker, name: str, **changes: Any) -> None:
        other = Driver(driver.ledger_path.parent.parent / name / "ledger.db", driver.cache, driver.worker)
        other.ledger_path.parent.mkdir()
        other.launch(make_spec(**TWELVE, **{"name": name} | changes))

    @pytest.fixture
    def driver(self, tmp_path: Path, cache: Path) -> Driver:
        (tmp_path / "small").mkdir()
        return Driver(tmp_path / "small" / "ledger.db", cache)

    def test_begins_where_the_other_study_ended(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        self.launch_other(driver, make_spec, "other", training__epochs=3)
        distances = {}
        for name, changes in (("cold", {}), ("warm", {"search__warm_start": "other"})):
            one = Driver(driver.ledger_path.parent.parent / name / "ledger.db", driver.cache, driver.worker)
            one.ledger_path.parent.mkdir()
            one.launch(make_spec(**TWELVE, name=name, **changes), slots=1)
            with Ledger(one.ledger_path) as ledger:
                distances[name] = statistics.fmean(abs(p["alpha"] - 1) for _, _, _, p in ledger.configs())
        assert distances["warm"] < 0.75 * distances["cold"]

    def test_says_how_many_and_enters_them_once(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        self.launch_other(driver, make_spec, "other", training__epochs=3)
        spec = make_spec(**TWELVE, search__warm_start="other")
        driver.launch(spec, dies_after=4)
        driver.launch(spec)
        assert len(journal(folder)) == 24
        with Ledger(driver.ledger_path) as ledger:
            said = {event["message"] for event in ledger.events() if event["kind"] == "warm start"}
        assert said == {"tce on digits, clean, mlp hidden=8: learnt from 12 of 12 configs of study 'other'"}

    def test_enters_what_was_stopped_early_as_pruned_at_the_epoch_that_it_reached(
        self, driver: Driver, folder: Path, make_spec: SpecMaker
    ) -> None:
        self.launch_other(driver, make_spec, "other", scheduler=ASHA)
        driver.launch(make_spec(**TWELVE, search__warm_start="other"))
        with Ledger(driver.ledger_path.parent.parent / "other" / "ledger.db") as ledger:
            stopped = [trial for trial in ledger.trials().values() if trial.state == "stopped_early"]
        assert stopped
        learnt = [trial for trial in journal(folder) if trial.user_attrs == {"from study": "other"}]
        assert len(learnt) == 12
        pruned = [trial for trial in learnt if trial.state.name == "PRUNED"]
        assert sorted((trial.last_step, trial.value) for trial in pruned) == sorted(
            (trial.epoch, trial.best_score) for trial in stopped
        )
        with Ledger(driver.ledger_path) as ledger:
            (said,) = [event["message"] for event in ledger.events() if event["kind"] == "warm start"]
        assert said.endswith(f"learnt from 12 of 12 configs of study 'other', {len(stopped)} of them stopped early")

    def test_from_a_study_that_is_not_there_is_refused_by_a_dry_run_too(
        self, driver: Driver, make_spec: SpecMaker
    ) -> None:
        with pytest.raises(StudyError, match="nobody"):
            foresee(make_spec(**TWELVE, search__warm_start="nobody"), Home(driver.ledger_path.parent.parent))

    def test_a_comparison_says_so(self, driver: Driver, folder: Path, make_spec: SpecMaker) -> None:
        self.launch_other(driver, make_spec, "other")
        driver.launch(make_spec(**TWELVE, search__warm_start="other"))
        with Ledger(driver.ledger_path) as warm, Ledger(folder.parent / "other" / "ledger.db") as cold:
            found = compare([("small", warm), ("other", cold)])
        assert found.differing == {"search.warm_start": {"small": "other", "other": None}}
        said = [budget.sentence for budget in found.budgets]
        assert "learnt from the results of study 'other' first, whose cost is not counted." in said[0]
        assert "learnt" not in said[1]

    @pytest.mark.parametrize(
        ("name", "changes", "rule"),
        [
            ("nobody", {}, "no study 'nobody'|'nobody'"),
            ("small", {}, "goes on from its own results"),
            ("other", {"select": {"metric": "val_loss"}}, "selects by"),
        ],
    )
    def test_of_a_study_that_is_of_no_use_is_refused(
        self, name: str, changes: dict[str, Any], rule: str, driver: Driver, make_spec: SpecMaker
    ) -> None:
        self.launch_other(driver, make_spec, "other")
        with pytest.raises(StudyError, match=rule):
            check_warm_start(
                make_spec(**TWELVE, search__warm_start=name, **changes), Home(driver.ledger_path.parent.parent)
            )

    def test_of_a_search_that_does_not_learn_is_refused(self, make_spec: SpecMaker) -> None:
        with pytest.raises(StudyError, match="'random' does not learn from results"):
            make_spec(search={"name": "random", "configs": 4, "warm_start": "other"})
