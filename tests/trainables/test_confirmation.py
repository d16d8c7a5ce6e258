"""Trials of a confirmation: no other trial reads test images, and they do at the epoch that the protocol says."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables.data.datasets import load_test
from trainables.data.task import load_task
from trainables.engine import session as sessions
from trainables.engine.session import Session
from trainables.trial import Trial

TrialMaker = Callable[..., Trial]


def trained(trial: Trial, cache: Path, store: Path | None = None) -> Session:
    session = Session("confirmed", trial, cache, store)
    while not session.done:
        session.advance()
    return session


def accuracy_on_test(network: torch.nn.Module, session: Session, cache: Path) -> float:
    test = load_test({"name": "digits"}, cache)
    images = session.place.array.data.normalisation(torch.tensor(np.array(test.images)))
    with torch.no_grad():
        predictions = network.eval()(images).argmax(1).numpy()
    return float((predictions == test.labels).mean())


def test_a_search_never_reads_the_test_set(
    make_trial: TrialMaker, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any) -> None:
        raise AssertionError("the test set was read")

    monkeypatch.setattr(sessions, "load_test", refuse)
    assert "test" not in trained(make_trial("ce"), cache).facts
    with pytest.raises(AssertionError, match="the test set was read"):
        trained(make_trial("ce") | {"confirm": {"protocol": "holdout"}}, cache)


def test_holdout_tests_the_best_validation_epoch(make_trial: TrialMaker, cache: Path) -> None:
    trial = make_trial("ce", epochs=6, optimizer={"lr": 0.3}, schedule={"name": "constant"})
    session = trained(trial | {"confirm": {"protocol": "holdout"}}, cache)
    assert session.epoch == 6
    tested = session.facts["test"]
    assert session.facts["num_test"] == 360
    assert tested["epoch"] == session.best_epoch
    network = session.place.network("best")
    assert tested["test_accuracy"] == pytest.approx(accuracy_on_test(network, session, cache), abs=1e-12)


def test_retraining_uses_all_images_ends_at_the_chosen_epoch_and_tests_it(make_trial: TrialMaker, cache: Path) -> None:
    trial = make_trial("ce", epochs=6)
    trial = trial | {"split": {"holdout": 0, "seed": 3}, "confirm": {"protocol": "retrain", "epoch": 4}}
    session = trained(trial, cache)
    assert session.epoch == session.facts["test"]["epoch"] == 4
    assert session.place.array.data.num_train == 1437
    assert not any(name.startswith("val_") for name in session.history[-1])
    assert not session.diverged
    network = session.place.network("last")
    expected = accuracy_on_test(network, session, cache)
    assert session.facts["test"]["test_accuracy"] == pytest.approx(expected, abs=1e-12)
    assert expected > 0.5


def test_retraining_learns_noisy_labels_of_validation_images_too_by_the_masks_seed(
    make_trial: TrialMaker, cache: Path
) -> None:
    rate, seen = 0.4, {}
    split = make_trial("ce")["split"]
    for seed in (7, 8):
        noise = {"kind": "uniform", "rate": rate, "seed": seed}
        retrain = {"split": split | {"holdout": 0}, "noise": noise, "confirm": {"protocol": "retrain", "epoch": 2}}
        session = Session("confirmed", make_trial("ce") | retrain, cache)
        (trained_on,), (true,) = session.place.array.program.labels, session.place.array.program.clean_labels
        task = load_task({"name": "digits"}, retrain["split"], noise, cache)
        np.testing.assert_array_equal(true, task.pool.labels)  # of all images, in the pool's order
        np.testing.assert_array_equal(trained_on, task.noisy_labels)
        seen[seed] = trained_on
    searched = load_task({"name": "digits"}, split, noise, cache)
    for seed, part in itertools.product(seen, (searched.train_index, searched.val_index)):
        changed = rate * (1 - 1 / 10)  # a uniform draw may give the true class again
        spread = (changed * (1 - changed) / len(part)) ** 0.5
        assert float((seen[seed] != true)[part].double().mean()) == pytest.approx(changed, abs=3 * spread)
    assert not torch.equal(seen[7], seen[8])


@pytest.mark.parametrize("protocol", [{"protocol": "holdout"}, {"protocol": "retrain", "epoch": 3}])
def test_a_curve_tests_every_epoch_and_changes_no_number(
    protocol: dict[str, Any], make_trial: TrialMaker, cache: Path, tmp_path: Path
) -> None:
    split = {"split": {"holdout": 0, "seed": 3}} if "epoch" in protocol else {}
    trial = make_trial("ce", epochs=6, schedule={"name": "constant"}) | split
    plain, curve = (trained(trial | {"confirm": protocol | more}, cache) for more in ({}, {"curve": True}))
    assert curve.facts["test"] == plain.facts["test"]
    assert len(curve.history) == 6
    assert all("test_accuracy" in metrics for metrics in curve.history)
    resumed = Session("confirmed", trial | {"confirm": protocol | {"curve": True}}, cache, tmp_path)
    resumed.advance()
    resumed.save()
    again = trained(trial | {"confirm": protocol | {"curve": True}}, cache, tmp_path)
    assert again.facts == curve.facts


def test_retraining_keeps_the_length_of_the_schedule(make_trial: TrialMaker, cache: Path) -> None:
    retrain = {"split": {"holdout": 0, "seed": 3}, "confirm": {"protocol": "retrain", "epoch": 2}}
    session = trained(make_trial("ce", epochs=6) | retrain, cache)
    whole = trained(make_trial("ce", epochs=6), cache)
    assert [metrics["lr"] for metrics in session.history] == [metrics["lr"] for metrics in whole.history[:2]]


def test_an_interrupted_confirmation_comes_to_the_same_test_numbers(
    make_trial: TrialMaker, cache: Path, tmp_path: Path
) -> None:
    trial = make_trial("elr", epochs=5) | {"confirm": {"protocol": "holdout"}}
    undisturbed = trained(trial, cache)
    for stop in (2, 5):  # in the middle, and between the last epoch and its report
        store = tmp_path / str(stop)
        first = Session("confirmed", trial, cache, store)
        for _ in range(stop):
            first.advance()
        first.save()
        assert trained(trial, cache, store).facts == undisturbed.facts


def test_permuted_test_labels_change_no_number_of_a_search(make_trial: TrialMaker, cache: Path, tmp_path: Path) -> None:
    def numbers(folder: Path, more: Mapping[str, Any]) -> Any:
        session = trained(make_trial("ce") | more, folder)
        return [{k: v for k, v in m.items() if k not in ("seconds", "time")} for m in session.history], session.facts

    test = load_test({"name": "digits"}, cache)
    permuted = tmp_path / "cache"
    shutil.copytree(cache, permuted)
    labels = permuted / "datasets" / f"digits-test-{test.digest}" / "labels.npy"
    labels.chmod(0o644)
    np.save(labels, np.random.default_rng(0).permutation(np.load(labels)))
    assert numbers(permuted, {}) == numbers(cache, {})
    confirm = {"confirm": {"protocol": "holdout"}}
    assert numbers(permuted, confirm)[0] == numbers(cache, confirm)[0]
    assert numbers(permuted, confirm)[1]["test"] != numbers(cache, confirm)[1]["test"]
