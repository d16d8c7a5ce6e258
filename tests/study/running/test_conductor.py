"""One launch of a study: what runs, what is kept, what is stopped early."""

from __future__ import annotations

from typing import Any

import pytest

from study.planning.plan import make_plan
from study.records.ledger import Ledger
from study.results.selection import cell_results
from study.running.conductor import Conductor
from tests.study.conftest import ASHA, FOUR, TPE, Driver, SpecMaker, Todo, by_number, describe

# -- one launch -------------------------------------------------------------------------------------------------------


def test_a_launch_runs_every_trial_once_and_screens_before_it_repeats(driver: Driver, make_spec: SpecMaker) -> None:
    launch = driver.launch(make_spec(), slots=1)
    assert len(launch.ran) == len(set(launch.keys)) == 16
    repeats = [repeat for _, _, _, repeat in launch.ran]
    assert repeats == [0] * 8 + [1] * 8
    assert driver.states() == {"completed": 16}
    assert launch.conductor.idle
    assert launch.conductor.counts == {"completed": 16}
    assert launch.conductor.epochs == 16 * 9


def test_cells_take_turns(driver: Driver, make_spec: SpecMaker) -> None:
    first = driver.launch(make_spec(), slots=1).ran[:4]
    assert len({(family, rate) for family, rate, _, _ in first}) == 4


def test_only_configs_that_survive_their_screening_are_repeated(driver: Driver, make_spec: SpecMaker) -> None:
    ran = driver.launch(make_spec(scheduler=ASHA, search__repeats=3, **FOUR)).ran
    with Ledger(driver.ledger_path) as ledger:
        records = list(ledger.trials().values())
        best = cell_results(ledger)[0].best
    survivors = {r.config_key for r in records if r.repeat == 0 and r.state == "completed"}
    assert [r.state for r in records].count("stopped_early") == 4 - len(survivors) > 0
    assert {r.config_key for r in records if r.repeat > 0} == survivors
    assert len(ran) == 4 + 2 * len(survivors)
    assert best is not None
    assert (best.number, best.n) == (0, 3)


def test_a_stopped_trial_says_where_and_why(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR))
    with Ledger(driver.ledger_path) as ledger:
        stopped = [r for r in ledger.trials().values() if r.state == "stopped_early"]
    assert {record.epoch for record in stopped} <= {1, 3}
    assert all("val_accuracy_noisy" in r.reason and "not among the best of its cell" in r.reason for r in stopped)


def test_repeats_are_never_stopped_early(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.accuracy = lambda todo, epoch: by_number(todo, epoch) - 0.5 * todo.repeat
    driver.launch(make_spec(scheduler=ASHA, search__repeats=3, **FOUR))
    with Ledger(driver.ledger_path) as ledger:
        assert {r.state for r in ledger.trials().values() if r.repeat > 0} == {"completed"}


def test_cells_are_ranked_apart_and_a_lone_config_is_never_stopped(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.accuracy = lambda todo, epoch: by_number(todo, epoch) - 0.6 * (todo.cell.name == "ce")
    driver.launch(make_spec(scheduler=ASHA), slots=1)
    with Ledger(driver.ledger_path) as ledger:
        results = cell_results(ledger)
    assert [result.best.n if result.best else 0 for result in results] == [2, 2, 2, 2]
    assert {result.counts["stopped_early"] for result in results if result.facts["label"] == "ce"} == {0}
    assert {result.counts["stopped_early"] for result in results if result.facts["label"] == "tce"} != {0}


@pytest.mark.parametrize(("scope", "stopped"), [("cell", set()), ("task", {"tce"}), ("study", {"tce", "ce"})])
def test_the_scope_says_who_is_compared_with_whom(
    scope: str, stopped: set[str], driver: Driver, make_spec: SpecMaker
) -> None:
    """One config a family: ce beats tce on either task, and the noisy task is the harder one."""
    families = ["ce", "mae", "mse", {"family": "tce", "space": {"alpha": 1.0}}]
    loss = {"ce": 0.0, "mae": 0.01, "mse": 0.02, "tce": 0.3}
    driver.worker.accuracy = lambda todo, epoch: (
        0.9 - loss[todo.cell.name] - 0.5 * (todo.cell.task.noise.rate or 0) + 0.001 * epoch
    )
    scheduler = ASHA | {"scope": scope, "reduction": 2}
    driver.launch(make_spec(families=families, scheduler=scheduler, search__repeats=1), slots=1)
    with Ledger(driver.ledger_path) as ledger:
        found = {cell.facts["label"] for cell in cell_results(ledger) if cell.counts["stopped_early"]}
        reasons = {r.reason.rpartition(" ")[2] for r in ledger.trials().values() if r.state == "stopped_early"}
    assert found >= stopped
    assert bool(found) == bool(stopped)
    assert reasons == ({scope} if stopped else set())


@pytest.mark.parametrize("scheduler", [ASHA, {"name": "median", "min_configs": 1}], ids=["asha", "median"])
@pytest.mark.parametrize(("scope", "reached"), [("cell", 9), ("task", 1), ("study", 1)])
def test_a_slow_starter_is_cut_by_the_early_lead_of_others_only_where_these_are_in_its_bracket(
    scope: str, reached: int, scheduler: dict[str, Any], driver: Driver, make_spec: SpecMaker
) -> None:
    """Every config of mae is behind all of ce at first, and its best one ahead of all of them at the end."""

    def accuracy(todo: Todo, epoch: int) -> float:
        risen = 0.1 * epoch if todo.cell.name == "mae" else 0.6 + 0.01 * epoch
        return risen - 0.01 * todo.config.number

    driver.worker.accuracy = accuracy
    spec = make_spec(
        families=["ce", "mae"], noise__rate=0.0, search__repeats=1, scheduler=scheduler | {"scope": scope},
        training__optimizer__lr={"grid": [0.01, 0.02, 0.05, 0.1]},
    )  # fmt: skip
    driver.launch(spec, slots=8)
    longest = {"ce": 0, "mae": 0}
    with Ledger(driver.ledger_path) as ledger:
        for key, record in ledger.trials().items():
            family = ledger.trial(key)["loss"]["family"]
            longest[family] = max(longest[family], record.epoch)
    assert longest == {"ce": 9, "mae": reached}


def test_the_scope_of_a_scheduler_survives_a_relaunch(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(scheduler=ASHA | {"scope": "study"}, search__repeats=1)
    driver.launch(spec, slots=1, dies_after=6)
    driver.launch(spec, slots=1)
    ended = driver.states()
    assert driver.launch(spec).ran == []
    assert ended["stopped_early"] > 0


def test_a_median_rule_stops_trials_and_says_so(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler={"name": "median", "min_configs": 2}, search__repeats=1, **FOUR), slots=4)
    states = driver.states()
    assert states["stopped_early"] >= 1
    assert states["completed"] >= 2


def test_a_metric_to_be_small_stops_the_large_ones(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(scheduler=ASHA, select={"metric": "val_loss"}, **FOUR)
    driver.launch(spec, slots=4)
    with Ledger(driver.ledger_path) as ledger:
        (cell,) = cell_results(ledger)
        numbers = {key: number for _, key, number, _ in ledger.configs()}
        states = {numbers[r.config_key]: r.state for r in ledger.trials().values() if r.repeat == 0}
    assert states[0] == "completed"
    assert states[3] == "stopped_early"
    assert cell.best is not None
    assert cell.best.number == 0


def test_a_diverged_config_is_neither_repeated_nor_run_again(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(**FOUR)
    driver.worker.mishap = lambda todo, epoch: "diverged" if todo.config.number == 1 and epoch == 4 else None
    ran = driver.launch(spec).ran
    assert {(number, repeat) for _, _, number, repeat in ran} == {(n, r) for n in range(4) for r in range(2)} - {(1, 1)}
    assert driver.states() == {"completed": 6, "diverged": 1}
    with Ledger(driver.ledger_path) as ledger:
        (reason,) = (r.reason for r in ledger.trials().values() if r.state == "diverged")
    assert "not a finite number after epoch 4" in reason
    driver.worker.mishap = lambda todo, epoch: None
    assert driver.launch(spec).ran == []


def test_late_news_of_an_ended_trial_is_ignored(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(families=["ce"], search__repeats=1, noise__rate=0.0)
    with Ledger(driver.ledger_path, write=True) as ledger:
        conductor = Conductor(make_plan(spec, driver.cache), ledger)
        todo = conductor.next()
        assert todo is not None
        conductor.started(todo.key)
        result = driver.worker.step(todo, 0, [3])
        assert result is not None
        assert conductor.result(todo.key, result)
        conductor.failed(todo.key, "its node is gone")
        late = driver.worker.step(todo, 3, [])
        assert late is not None
        assert not conductor.result(todo.key, late)
        conductor.failed(todo.key, "again")
        record = ledger.trials()[todo.key]
        assert (record.state, record.epoch, record.reason) == ("failed", 3, "its node is gone")
        assert conductor.counts == {"failed": 1}


def test_an_unknown_trial_is_not_written_down(driver: Driver, make_spec: SpecMaker) -> None:
    with Ledger(driver.ledger_path, write=True) as ledger:
        conductor = Conductor(make_plan(make_spec(), driver.cache), ledger)
        assert not conductor.result("nobody", {"reports": [{"epoch": 1}]})
        assert ledger.reports("nobody") == []


def test_warnings_and_retries_are_kept_as_events(driver: Driver, make_spec: SpecMaker) -> None:
    with Ledger(driver.ledger_path, write=True) as ledger:
        conductor = Conductor(make_plan(make_spec(), driver.cache), ledger)
        todo = conductor.next()
        assert todo is not None
        result = driver.worker.step(todo, 0, [2])
        assert result is not None
        conductor.retried(todo.key, "OSError: gone")
        conductor.result(todo.key, result | {"warnings": ["checkpoint corrupt; starting again from epoch 0"]})
        assert [(event["kind"], event["trial_key"]) for event in ledger.events()] == [
            ("retried", todo.key),
            ("warning", todo.key),
        ]


def test_a_full_disk_ends_the_launch_and_keeps_what_was_reported(driver: Driver, make_spec: SpecMaker) -> None:
    full = {"state": "interrupted", "problem": "checkpoints: No space left on device"}
    with Ledger(driver.ledger_path, write=True) as ledger:
        conductor = Conductor(make_plan(make_spec(), driver.cache), ledger)
        todo = conductor.next()
        assert todo is not None
        result = driver.worker.step(todo, 0, [2])
        assert result is not None
        assert not conductor.result(todo.key, result | full)
        assert conductor.next() is None
        assert conductor.finished
        assert conductor.hopeless == full["problem"]
        assert ledger.trials()[todo.key].reason == full["problem"]
        assert len(ledger.reports(todo.key)) == 2


# -- schedulers -------------------------------------------------------------------------------------------------------


def test_a_trial_stopped_early_is_done_under_its_scheduler_and_missing_under_none(
    driver: Driver, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR))
    stopped = driver.states()["stopped_early"]
    assert driver.launch(make_spec(scheduler=ASHA, **FOUR)).ran == []
    ran = driver.launch(make_spec(**FOUR)).ran
    assert len([r for r in ran if r[3] == 0]) == stopped
    assert driver.states() == {"completed": 8}
    with Ledger(driver.ledger_path) as ledger:
        assert all(len(ledger.reports(key)) == 9 for key in ledger.trials())
    assert driver.launch(make_spec(scheduler=ASHA, **FOUR)).ran == []


def test_another_reduction_judges_stopped_trials_again(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR))
    stopped = driver.states()["stopped_early"]
    ran = driver.launch(make_spec(scheduler=ASHA | {"reduction": 2}, **FOUR)).ran
    assert len([r for r in ran if r[3] == 0]) == stopped


def stopped_numbers(driver: Driver) -> set[int]:
    with Ledger(driver.ledger_path) as ledger:
        numbers = {key: number for _, key, number, _ in ledger.configs()}
        return {numbers[r.config_key] for r in ledger.trials().values() if r.state == "stopped_early"}


def test_rungs_are_filled_again_from_the_ledger(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR), slots=1)  # the best four come first
    wider = [{"family": "tce", "space": {"alpha": {"grid": [0.5, 1.0, 1.5, 2.0, 2.5]}}}]
    ran = driver.launch(make_spec(scheduler=ASHA, families=wider, noise__rate=0.0)).ran
    assert [(number, repeat) for _, _, number, repeat in ran] == [(4, 0)]
    assert 4 in stopped_numbers(driver), "the first trial of a launch was not measured against those before it"


def test_rungs_are_filled_again_where_configs_depend_on_results(driver: Driver, make_spec: SpecMaker) -> None:
    def falling(todo: Todo, epoch: int) -> float:
        return 0.9 - 0.01 * todo.config.number + 0.001 * epoch

    driver.worker.accuracy = falling
    spec = TPE | {"scheduler": ASHA}
    driver.launch(make_spec(**spec | {"search": {"name": "tpe", "configs": 6, "repeats": 1}}), slots=1)
    ran = driver.launch(make_spec(**spec | {"search": {"name": "tpe", "configs": 7, "repeats": 1}}), slots=1).ran
    assert [number for _, _, number, _ in ran] == [6]
    assert 6 in stopped_numbers(driver)


# -- cells that share a trial -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("dies_after", [None, 1, 3])
def test_a_config_of_two_cells_runs_once_and_both_get_it(
    slots: int, dies_after: int | None, driver: Driver, make_spec: SpecMaker
) -> None:
    low = {"family": "tce", "label": "low", "space": {"alpha": {"grid": [1.0, 0.5]}}}
    high = {"family": "tce", "label": "high", "space": {"alpha": {"grid": [1.0, 2.0]}}}
    spec = make_spec(families=[low, high], noise__rate=0.0)
    if dies_after is not None:
        driver.launch(spec, slots=slots, dies_after=dies_after)
    launch = driver.launch(spec, slots=slots)
    assert len(launch.keys) == len(set(launch.keys))
    assert driver.states() == {"completed": 6}
    with Ledger(driver.ledger_path) as ledger:
        cells = cell_results(ledger)
    assert [[config.n for config in cell.configs] for cell in cells] == [[2, 2], [2, 2]]
    assert cells[0].configs[0].trials == cells[1].configs[0].trials
    assert launch.conductor.idle


@pytest.mark.parametrize("slots", [1, 2])
def test_both_cells_proposers_hear_how_a_shared_trial_did(slots: int, driver: Driver, make_spec: SpecMaker) -> None:
    told: dict[str, list[tuple[dict[str, Any], float | None]]] = {"a": [], "b": []}

    class Listener:
        foreseeable = True

        def __init__(self, label: str) -> None:
            self.label = label

        def ask(self) -> None:
            return None

        def tell(self, params: dict[str, Any], score: float | None, *, stopped_at: int | None = None) -> None:
            told[self.label].append((params, score))

    families = [{"family": "tce", "label": label, "space": {"alpha": 1.0}} for label in told]
    spec = make_spec(families=families, search__repeats=1, noise__rate=0.0)
    with Ledger(driver.ledger_path, write=True) as ledger:
        conductor = Conductor(make_plan(spec, driver.cache), ledger)
        for cell in conductor.agenda.cells:
            cell.proposer = Listener(cell.cell.name)
        todo = conductor.next()
        assert todo is not None
        if slots == 2:  # the other cell asks while the trial runs; else when it has ended
            assert conductor.next() is None
        result = driver.worker.step(todo, 0, [])
        assert result is not None
        conductor.result(todo.key, result)
        assert conductor.next() is None
        assert conductor.idle
    assert told["a"] == told["b"] == [({"alpha": 1.0}, by_number(todo, 9))]


def test_what_is_handed_out_names_its_cell(driver: Driver, make_spec: SpecMaker) -> None:
    with Ledger(driver.ledger_path, write=True) as ledger:
        conductor = Conductor(make_plan(make_spec(scheduler=ASHA), driver.cache), ledger, driver.stop)
        assert conductor.running == {}
        assert not conductor.idle
        one, other = conductor.next(), conductor.next()
        assert one is not None
        assert other is not None
        assert (describe(one), describe(other)) == (("ce", 0.0, 0, 0), ("tce", 0.0, 0, 0))
        assert (conductor.decisions(one), conductor.decisions(other)) == ([], [1, 3])
        assert (conductor.handed_out, conductor.running) == (2, {})
        conductor.started(one.key)
        assert set(conductor.running) == {one.key}
        driver.stop.raised = True
        assert conductor.stopping
        assert conductor.next() is None
        driver.stop.raised = False
        assert conductor.next() is None, "a launch that was stopped went on"
        assert not conductor.finished


def test_what_is_trained_again_is_an_event(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(scheduler=ASHA)
    driver.launch(spec, dies_after=3)
    with Ledger(driver.ledger_path) as ledger:
        key = next(key for key, record in ledger.trials().items() if record.state == "running" and record.epoch)
    driver.worker.checkpoints[key] = 0
    driver.launch(spec)
    with Ledger(driver.ledger_path) as ledger:
        told = [event for event in ledger.events(100) if event["kind"] == "trained again"]
    assert [event["trial_key"] for event in told] == [key]
    assert told[0]["message"].endswith("trained again: no checkpoint held them")
