"""A study from launch to launch: what runs, what is kept, what runs again."""

from __future__ import annotations

from typing import Any

import pytest

from study.conductor import HOPELESS, Conductor
from study.ledger import Ledger, TrialRecord
from study.plan import make_plan
from study.results import cell_results
from tests.study.conftest import ASHA, FOUR_TCE, Driver, SpecMaker, Todo, by_number, describe

LONE_RATE: dict[str, Any] = {"noise__rate": 0.0}
FOUR: dict[str, Any] = {"families": FOUR_TCE, **LONE_RATE}
RANDOM = {"name": "random", "configs": 3, "repeats": 2}
TPE: dict[str, Any] = {
    "families": [{"family": "tce", "space": {"alpha": {"uniform": [0.25, 2.0]}}}],
    "search": {"name": "tpe", "configs": 18, "repeats": 1},
    **LONE_RATE,
}


def by_alpha(todo: Todo, epoch: int) -> float:
    return 0.9 - 0.1 * abs(todo.config.params["alpha"] - 1.0) + 0.001 * epoch


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
    spec = make_spec(families=["ce"], search__repeats=1, **LONE_RATE)
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


# -- launched again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{}, {"scheduler": ASHA}, {"search": RANDOM}, TPE, TPE | {"scheduler": ASHA}],
    ids=["plain", "asha", "random", "tpe", "tpe under asha"],
)
@pytest.mark.parametrize("slots", [1, 3])
def test_a_finished_study_launched_again_is_idle(
    changes: dict[str, Any], slots: int, driver: Driver, make_spec: SpecMaker
) -> None:
    driver.worker.accuracy = by_alpha if "search" in changes and changes["search"]["name"] == "tpe" else by_number
    assert driver.launch(make_spec(**changes), slots=slots).ran
    before = driver.states()
    again = driver.launch(make_spec(**changes), slots=slots)
    assert again.ran == []
    assert again.conductor.idle
    assert again.conductor.finished
    assert driver.states() == before


@pytest.mark.parametrize("dies_after", [1, 2, 5, 9, 15, 16])
@pytest.mark.parametrize("scheduler", [{"name": "none"}, ASHA], ids=["none", "asha"])
def test_a_launch_that_died_is_taken_up_and_ends_with_the_same_trials(
    dies_after: int, scheduler: dict[str, Any], driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(scheduler=scheduler)
    first = driver.launch(spec, dies_after=dies_after)
    with Ledger(driver.ledger_path) as ledger:
        trials = ledger.trials().values()
        running = [r.key for r in trials if r.state == "running"]
        done = {r.key for r in trials if r.state in ("completed", "stopped_early")}
    second = driver.launch(spec)
    assert not done & set(second.keys), "what was done ran again"
    assert set(running) <= set(second.keys)
    assert not {"running", "waiting", "interrupted"} & set(driver.states())
    with Ledger(driver.ledger_path) as ledger:
        assert [e["kind"] for e in ledger.events()] == (["recovered"] if running else [])
        records = ledger.trials()
        for key, record in records.items():
            assert [epoch for epoch, _ in ledger.reports(key)] == list(range(1, record.epoch + 1))
            assert record.seconds == record.epoch / 2
    if scheduler == {"name": "none"}:
        assert set(first.keys) | set(second.keys) == set(records)
        assert len(records) == 16


def test_a_dead_launch_is_told_as_an_event(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA), slots=3, dies_after=1)
    assert driver.states()["running"] >= 2
    with Ledger(driver.ledger_path, write=True) as ledger:
        Conductor(make_plan(make_spec(scheduler=ASHA), driver.cache), ledger)
        records = [r for r in ledger.trials().values() if r.state == "interrupted"]
        assert {record.reason for record in records} == {"the launch ended without a word"}
        assert ledger.events()[-1]["message"].startswith(f"{len(records)} trials were left running")


def test_a_failed_trial_is_tried_again_by_the_next_launch_alone(driver: Driver, make_spec: SpecMaker) -> None:
    spec = make_spec(**FOUR)
    driver.worker.mishap = lambda todo, epoch: "failed" if todo.config.number == 2 else None
    launch = driver.launch(spec, slots=1)
    assert driver.states() == {"completed": 6, "failed": 1}
    assert launch.conductor.finished
    assert launch.conductor.hopeless is None
    assert [number for _, _, number, _ in launch.ran].count(2) == 1
    driver.worker.mishap = lambda todo, epoch: None
    assert [(number, repeat) for _, _, number, repeat in driver.launch(spec).ran] == [(2, 0), (2, 1)]
    assert driver.states() == {"completed": 8}
    with Ledger(driver.ledger_path) as ledger:
        assert [event["kind"] for event in ledger.events()] == ["failed"]


def test_an_interrupted_launch_hands_out_nothing_more_and_the_next_goes_on(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(**FOUR)

    def stopped_at_4(todo: Todo, epoch: int) -> str | None:
        driver.stop.raised = driver.stop.raised or epoch == 4
        return "interrupted" if driver.stop else None

    driver.worker.mishap = stopped_at_4
    launch = driver.launch(spec, slots=2)
    assert launch.conductor.interrupted
    assert len(launch.ran) == 2, "it went on after it was told to stop"
    assert launch.conductor.finished
    assert not launch.conductor.idle
    assert driver.states() == {"interrupted": 2, "waiting": 2}
    with Ledger(driver.ledger_path) as ledger:
        reasons = {r.reason for r in ledger.trials().values() if r.state == "interrupted"}
    assert reasons == {"stopped by the user after epoch 4", "stopped by the user after epoch 1"}
    driver.worker.mishap, driver.stop.raised = (lambda todo, epoch: None), False
    assert len(driver.launch(spec).ran) == 8
    assert driver.states() == {"completed": 8}
    with Ledger(driver.ledger_path) as ledger:
        assert sum(len(ledger.reports(key)) for key in ledger.trials()) == 8 * 9


def test_a_launch_whose_first_trials_all_fail_is_given_up(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: "failed"
    launch = driver.launch(make_spec(), slots=1)
    assert len(launch.ran) == HOPELESS
    assert launch.conductor.hopeless == "the first 3 trials all failed: RuntimeError: broken on purpose"
    assert launch.conductor.finished
    assert driver.states() == {"failed": HOPELESS, "waiting": 8 - HOPELESS}


def test_a_launch_with_one_success_is_not_given_up(driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.mishap = lambda todo, epoch: None if todo.cell.name == "ce" else "failed"
    launch = driver.launch(make_spec(), slots=1)
    assert launch.conductor.hopeless is None
    assert driver.states() == {"completed": 4, "failed": 6}


# -- a study that grows -----------------------------------------------------------------------------------------------


def test_a_new_family_runs_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    families = ["ce", {"family": "label_smoothing", "space": {"epsilon": 0.1}}, make_spec().families[1].model_dump()]
    ran = driver.launch(make_spec(families=families)).ran
    assert sorted(ran) == [("label_smoothing", rate, 0, repeat) for rate in (0.0, 0.4) for repeat in (0, 1)]


def test_a_new_repeat_runs_alone_and_only_for_survivors(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR))
    with Ledger(driver.ledger_path) as ledger:
        survivors = {r.config_key for r in ledger.trials().values() if r.state == "completed"}
    ran = driver.launch(make_spec(scheduler=ASHA, search__repeats=4, **FOUR)).ran
    assert {repeat for _, _, _, repeat in ran} == {2, 3}
    assert len(ran) == 2 * len(survivors)


def test_a_new_noise_rate_runs_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    ran = driver.launch(make_spec(noise__rate=[0.4, 0.2, 0.0])).ran
    assert {rate for _, rate, _, _ in ran} == {0.2}
    assert len(ran) == 8


def test_a_new_network_runs_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec())
    before = driver.states()["completed"]
    driver.launch(make_spec(model=[{"name": "mlp", "hidden": 8}, {"name": "small_cnn"}]))
    assert driver.states() == {"completed": 2 * before}


def test_new_configs_run_alone(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(**FOUR))
    wider = [{"family": "tce", "space": {"alpha": {"grid": [0.25, 0.5, 1.0, 1.5, 2.0, 3.0]}}}]
    ran = driver.launch(make_spec(families=wider, **LONE_RATE)).ran
    assert sorted((number, repeat) for _, _, number, repeat in ran) == [(0, 0), (0, 1), (5, 0), (5, 1)]


@pytest.mark.parametrize("name", ["random", "quasi_random", "tpe"])
def test_a_search_with_more_configs_runs_only_the_new(name: str, driver: Driver, make_spec: SpecMaker) -> None:
    driver.worker.accuracy = by_alpha
    for configs, expected in ((12, range(12)), (15, range(12, 15))):
        spec = make_spec(**TPE | {"search": {"name": name, "configs": configs, "repeats": 1}})
        assert sorted(number for _, _, number, _ in driver.launch(spec, slots=3).ran) == list(expected)


def test_a_family_taken_away_is_out_of_scope_and_finds_its_results_when_it_comes_back(
    driver: Driver, make_spec: SpecMaker
) -> None:
    def table() -> list[tuple[str, float]]:
        with Ledger(driver.ledger_path) as ledger:
            return [(cell.facts["label"], cell.best.mean) for cell in cell_results(ledger) if cell.best]

    driver.launch(make_spec())
    before = table()
    assert [label for label, _ in before] == ["ce", "tce", "ce", "tce"]
    assert driver.launch(make_spec(families=["ce"])).ran == []
    assert table() == [row for row in before if row[0] == "ce"]
    assert driver.states() == {"completed": 16}, "what ran stays in the ledger"
    assert driver.launch(make_spec()).ran == []
    assert table() == before


def test_fewer_repeats_run_nothing_and_leave_the_others_out_of_the_table(driver: Driver, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(search__repeats=3, **FOUR))
    assert driver.launch(make_spec(search__repeats=2, **FOUR)).ran == []
    with Ledger(driver.ledger_path) as ledger:
        assert {config.n for config in cell_results(ledger)[0].configs} == {2}


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
    ran = driver.launch(make_spec(scheduler=ASHA, families=wider, **LONE_RATE)).ran
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
    spec = make_spec(families=[low, high], **LONE_RATE)
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

        def tell(self, params: dict[str, Any], score: float | None, *, pruned: bool = False) -> None:
            told[self.label].append((params, score))

    families = [{"family": "tce", "label": label, "space": {"alpha": 1.0}} for label in told]
    spec = make_spec(families=families, search__repeats=1, **LONE_RATE)
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


def test_a_trial_interrupted_at_its_decision_is_decided_when_it_comes_back(
    driver: Driver, make_spec: SpecMaker
) -> None:
    spec = make_spec(scheduler=ASHA, **FOUR)
    driver.launch(spec, slots=1)
    undisturbed = driver.states()
    *_, worst = [r.key for r in _records(driver) if r.state == "stopped_early" and r.epoch == 1]
    with Ledger(driver.ledger_path, write=True) as ledger:  # Ctrl-C came while its first epoch was trained
        ledger.record_ended(worst, "interrupted", "stopped by the user after epoch 1")
    driver.launch(spec, slots=1)
    assert driver.states() == undisturbed
    assert {r.epoch for r in _records(driver) if r.key == worst} == {1}


def _records(driver: Driver) -> list[TrialRecord]:
    with Ledger(driver.ledger_path) as ledger:
        return list(ledger.trials().values())
