"""Which checkpoints `study gc` keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.records.ledger import CONFIRM, Ledger
from study.records.paths import StudyPaths
from study.results.selection import cell_results
from study.upkeep.garbage import find_garbage, free
from tests.study.conftest import ASHA, FOUR, Driver, SpecMaker

SIZE = 100  # bytes of a checkpoint here


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    found = StudyPaths(tmp_path / "small")
    found.root.mkdir()
    return found


@pytest.fixture
def driver(paths: StudyPaths, cache: Path) -> Driver:
    return Driver(paths.ledger, cache)


def with_checkpoints(paths: StudyPaths) -> set[str]:
    """A checkpoint for every trial that ran; their keys."""
    with Ledger(paths.ledger) as ledger:
        keys = {trial.key for trial in ledger.trials().values() if trial.epoch}
    for key in keys:
        paths.checkpoint(key).mkdir(parents=True, exist_ok=True)
        (paths.checkpoint(key) / "last.safetensors").write_bytes(b"x" * SIZE)
    return keys


def kept(paths: StudyPaths, keep: str = "best") -> set[str]:
    with Ledger(paths.ledger) as ledger:
        found = find_garbage(paths, ledger, keep)
    removed = {folder.name for folder in found.folders}
    assert found.freed_bytes == SIZE * len(removed)
    assert found.kept_bytes == SIZE * found.kept
    everything = {folder.name for folder in paths.checkpoint("x").parent.iterdir()}
    assert found.kept == len(everything - removed)
    return everything - removed


def best_of(paths: StudyPaths) -> set[str]:
    with Ledger(paths.ledger) as ledger:
        return {trial.key for cell in cell_results(ledger) if cell.best for trial in cell.best.trials}


def test_the_best_configs_of_every_cell_are_kept_with_all_their_repeats(
    driver: Driver, paths: StudyPaths, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec())
    everything = with_checkpoints(paths)
    assert kept(paths) == best_of(paths)
    assert len(best_of(paths)) == 4 * 2 < len(everything)
    assert kept(paths, "none") == set()
    assert kept(paths, "all") == everything


@pytest.mark.parametrize("keep", ["best", "none", "all"])
def test_unfinished_trials_keep_theirs_by_every_rule(
    keep: str, driver: Driver, paths: StudyPaths, make_spec: SpecMaker
) -> None:
    driver.worker.mishap = lambda todo, epoch: "interrupted" if todo.config.number == 2 and epoch == 3 else None
    driver.launch(make_spec())
    with_checkpoints(paths)
    with Ledger(paths.ledger) as ledger:
        unfinished = {trial.key for trial in ledger.trials().values() if trial.state == "interrupted"}
    assert unfinished
    assert unfinished <= kept(paths, keep)


def test_what_a_scheduler_stopped_is_freed(driver: Driver, paths: StudyPaths, make_spec: SpecMaker) -> None:
    driver.launch(make_spec(scheduler=ASHA, **FOUR))
    with_checkpoints(paths)
    with Ledger(paths.ledger) as ledger:
        stopped = {trial.key for trial in ledger.trials().values() if trial.state == "stopped_early"}
    assert stopped
    assert not stopped & kept(paths)


def test_the_confirmation_and_what_it_judged_are_kept(driver: Driver, paths: StudyPaths, make_spec: SpecMaker) -> None:
    spec = make_spec(noise__rate=0.0, confirm={"repeats": 3, "top": 2})
    driver.launch(spec)
    driver.confirm(spec)
    with_checkpoints(paths)
    with Ledger(paths.ledger) as ledger:
        confirmed = cell_results(ledger, phase=CONFIRM)
        (tce,) = [cell for cell in cell_results(ledger) if cell.facts["label"] == "tce"]
    trials = {trial.key for cell in confirmed for config in cell.configs for trial in config.trials}
    judged = {trial.key for config in tce.configs[:2] for trial in config.trials}
    assert kept(paths) == best_of(paths) | trials | judged
    assert len(trials) == 9


def test_checkpoints_of_trials_that_the_ledger_does_not_know_are_strays(
    driver: Driver, paths: StudyPaths, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec())
    keys = with_checkpoints(paths)
    stray = paths.checkpoint("0123456789abcdef")
    stray.mkdir()
    (stray / "last.safetensors").write_bytes(b"x" * SIZE)
    assert kept(paths, "all") == keys


def test_freeing_removes_exactly_those_and_says_so_in_the_ledger(
    driver: Driver, paths: StudyPaths, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec())
    with_checkpoints(paths)
    staying = kept(paths)
    with Ledger(paths.ledger, write=True) as ledger:
        free(find_garbage(paths, ledger), ledger)
        assert ledger.events()[-1]["kind"] == "freed"
        free(find_garbage(paths, ledger), ledger)
        assert [event["kind"] for event in ledger.events()].count("freed") == 1
    assert {folder.name for folder in paths.checkpoint("x").parent.iterdir()} == staying
    driver.worker.checkpoints.clear()
    assert driver.launch(make_spec()).ran == []  # nothing has to run again


def test_a_study_without_checkpoints_has_nothing_to_free(
    driver: Driver, paths: StudyPaths, make_spec: SpecMaker
) -> None:
    driver.launch(make_spec())
    with Ledger(paths.ledger) as ledger:
        assert find_garbage(paths, ledger).folders == []
