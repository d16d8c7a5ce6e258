"""What the test set would have said of the search's checkpoints: of all that were kept, each once, and of no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from study.errors import StudyError
from study.records import states
from study.records.ledger import Ledger
from study.running.oracle import ask_oracle
from tests.study.conftest import ASHA, FOUR, SpecMaker
from tests.study.trained import Trained, train
from trainables.data.datasets import load_test
from trainables.engine.session import Session
from trainables.engine.testing import metrics_on_test

ONE_REPEAT = {**FOUR, "search__repeats": 1, "scheduler": ASHA, "training__epochs": 3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    """A search of which ASHA stopped some trials; read only."""
    study = train(tmp_path_factory.mktemp("stopped"), make_spec(**ONE_REPEAT))
    assert {"completed", "stopped_early"} <= set(study.driver.states())
    return study


@pytest.fixture
def searched(trained: Trained, tmp_path: Path) -> Trained:
    """A copy of it."""
    shutil.copytree(trained.home.root, tmp_path / "home", symlinks=True)
    home = type(trained.home)(tmp_path / "home")
    return Trained(home, home.study(trained.spec.name), trained.driver, trained.spec)


def ask(study: Trained) -> int:
    with Ledger(study.paths.ledger, write=True) as ledger:
        return ask_oracle(ledger, study.paths, study.home.cache, lambda text: None)


def test_how_far_it_has_come_is_said_now_and_then(searched: Trained) -> None:
    said: list[str] = []
    with Ledger(searched.paths.ledger, write=True) as ledger:
        ask_oracle(ledger, searched.paths, searched.home.cache, said.append)
    assert [line.rpartition(": ")[2] for line in said] == ["1 of 4", "4 of 4"]


@pytest.mark.parametrize("which", ["best", "last"])
def test_every_kept_checkpoint_is_judged_once_those_of_stopped_trials_too(
    which: str, searched: Trained, make_spec: SpecMaker
) -> None:
    with Ledger(searched.paths.ledger, write=True) as ledger:
        ledger.record_spec(make_spec(**ONE_REPEAT, select__epoch=which).model_dump(mode="json"), {})
        trials = ledger.trials()
    assert (ask(searched), ask(searched)) == (4, 0)
    with Ledger(searched.paths.ledger) as ledger:
        said = ledger.oracle()
        described = {key: ledger.trial(key) for key in trials}
    assert set(said) == set(trials)
    stopped = next(trial for trial in trials.values() if trial.state == states.STOPPED_EARLY)
    assert stopped.epoch < 3
    store, cache = searched.paths.checkpoint(stopped.key), searched.home.cache
    session = Session(stopped.key, described[stopped.key], cache, store)
    expected = metrics_on_test(
        session.place, load_test({"name": "digits"}, cache), "best" if which == "best" else "last"
    )
    assert said[stopped.key] == {"epoch": stopped.best_epoch if which == "best" else stopped.epoch, **expected}


def test_checkpoints_that_were_freed_unfinished_or_diverged_are_not_judged(searched: Trained) -> None:
    with Ledger(searched.paths.ledger, write=True) as ledger:
        freed, unfinished, diverged, left = ledger.trials()
        shutil.rmtree(searched.paths.checkpoint(freed))
        ledger.record_ended(unfinished, states.INTERRUPTED)
        ledger.record_ended(diverged, states.DIVERGED)
    assert ask(searched) == 1
    with Ledger(searched.paths.ledger) as ledger:
        assert set(ledger.oracle()) == {left}


def test_a_trial_that_went_on_is_judged_again(searched: Trained) -> None:
    with Ledger(searched.paths.ledger, write=True) as ledger:
        key, trial = next((k, t) for k, t in ledger.trials().items() if t.state == states.COMPLETED)
        ledger.record_oracle(key, {"epoch": trial.best_epoch - 1, "test_accuracy": 0.0})
    assert ask(searched) == 4
    with Ledger(searched.paths.ledger) as ledger:
        assert ledger.oracle()[key]["test_accuracy"] > 0


def test_test_images_that_are_not_at_hand_are_a_line(searched: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*given: object) -> None:
        raise ValueError("no test images in /data; see 'study data'")

    monkeypatch.setattr("trainables.data.datasets.load_test", missing)
    with pytest.raises(StudyError, match=r"trial \w+: no test images in /data"):
        ask(searched)
