"""One trial from its description to its end: interrupted and resumed it is the trial that was never disturbed."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.data.task import TaskData
from trainables.engine.lane import Lane
from trainables.engine.session import Session, make_lane
from trainables.losses.ce import CrossEntropy
from trainables.trial import Trial

EPOCHS = 4


def finish(session: Session) -> Session:
    while not session.done:
        session.advance()
    return session


def assert_same_trial(ours: Session, expected: Session) -> None:
    """Every bit but the time taken."""
    assert (ours.epoch, ours.best_epoch) == (expected.epoch, expected.best_epoch)
    assert [without_times(m) for m in ours.history] == [without_times(m) for m in expected.history]
    found, wanted = ours.place.save(), expected.place.save()
    for tensors, reference in ((found.last, wanted.last), (found.best, wanted.best)):
        assert tensors.keys() == reference.keys()
        for name in reference:
            assert torch.equal(tensors[name], reference[name]), name


def without_times(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in ("time", "seconds", "lanes")}


@pytest.fixture(params=["sgd", "adamw"])
def trial(request: pytest.FixtureRequest, make_trial: Callable[..., Trial]) -> Trial:
    return make_trial(
        "mcel", hyperparameters={"epsilon": 0.2, "similarity": "lda"}, model="small_cnn", epochs=EPOCHS,
        precision="float32", optimizer={"name": request.param},
    )  # fmt: skip


@pytest.mark.parametrize("epochs_before", [0, 1, 3])
def test_interrupted_and_resumed_trial_equals_the_undisturbed_one_bit_for_bit(
    trial: Trial, cache: Path, tmp_path: Path, epochs_before: int
) -> None:
    undisturbed = finish(Session("t", trial, cache))
    interrupted = Session("t", trial, cache, tmp_path)
    for _ in range(epochs_before):
        interrupted.advance()
    interrupted.save()
    interrupted.advance()  # lost with the process: it was never saved
    resumed = Session("t", trial, cache, tmp_path)
    assert (resumed.epoch, resumed.warnings) == (epochs_before, ())
    assert_same_trial(finish(resumed), undisturbed)


def test_trial_interrupted_after_each_epoch_equals_the_undisturbed_one(
    trial: Trial, cache: Path, tmp_path: Path
) -> None:
    undisturbed = finish(Session("t", trial, cache))
    for epoch in range(1, EPOCHS + 1):
        session = Session("t", trial, cache, tmp_path)
        session.advance()
        session.save()
        assert session.epoch == epoch
    assert_same_trial(session, undisturbed)
    assert Session("t", trial, cache, tmp_path).done


def test_trial_described_in_json_is_the_same_trial(trial: Trial, cache: Path) -> None:
    described = json.loads(json.dumps(trial))
    ours, expected = Session("t", described, cache), Session("t", trial, cache)
    ours.advance()
    expected.advance()
    assert described == trial
    assert_same_trial(ours, expected)


def test_damaged_checkpoint_costs_one_generation_and_a_warning(trial: Trial, cache: Path, tmp_path: Path) -> None:
    session = Session("t", trial, cache, tmp_path)
    for _ in range(3):
        session.advance()
        session.save()
    (tmp_path / "last-00003.safetensors").write_bytes(b"")
    resumed = Session("t", trial, cache, tmp_path)
    assert resumed.epoch == 2
    assert len(resumed.warnings) == 1
    assert "checkpoint of epoch 3 is unusable" in resumed.warnings[0]
    assert_same_trial(finish(resumed), finish(Session("t", trial, cache)))


@pytest.mark.parametrize("file", ["manifest.json", "last-*.safetensors"])
def test_trial_without_a_usable_checkpoint_starts_again_with_a_warning_and_can_save(
    trial: Trial, cache: Path, tmp_path: Path, file: str
) -> None:
    session = Session("t", trial, cache, tmp_path)
    for _ in range(3):
        session.advance()
        session.save()
    for path in tmp_path.glob(file):
        path.write_bytes(b"{")
    again = Session("t", trial, cache, tmp_path)
    assert again.epoch == 0
    assert again.warnings[0].endswith("starting again from epoch 0")
    again.advance()
    again.save()
    resumed = Session("t", trial, cache, tmp_path)
    assert resumed.epoch == 1
    assert_same_trial(finish(resumed), finish(Session("t", trial, cache)))


def test_store_of_another_trial_is_refused(trial: Trial, cache: Path, tmp_path: Path) -> None:
    Session("t", trial, cache, tmp_path).save()
    with pytest.raises(ValueError, match="belongs to trial t, not to u"):
        Session("u", trial, cache, tmp_path)


def test_data_that_changed_since_the_trial_was_planned_is_refused(trial: Trial, cache: Path, digits: TaskData) -> None:
    planned = copy.deepcopy(trial)
    planned["dataset"]["digest"] = digits.pool.digest
    assert Session("t", planned, cache).epoch == 0
    planned["dataset"]["digest"] = "0123456789abcdef"
    with pytest.raises(ValueError, match=r"planned with 0123456789abcdef: the data has changed"):
        Session("t", planned, cache)


def test_trial_that_diverges_is_done_before_its_last_epoch_and_stays_so_when_resumed(
    make_trial: Callable[..., Trial], cache: Path, tmp_path: Path
) -> None:
    session = Session("t", make_trial(epochs=9, optimizer={"lr": 1e30}), cache, tmp_path)
    assert not session.diverged
    session.advance()
    session.save()
    assert session.diverged
    assert session.done
    assert not math.isfinite(session.history[-1]["train_loss"])
    resumed = Session("t", make_trial(epochs=9, optimizer={"lr": 1e30}), cache, tmp_path)
    assert resumed.diverged
    assert resumed.epoch == 1


def test_trial_that_trains_well_is_done_at_its_last_epoch_and_not_diverged(
    make_trial: Callable[..., Trial], cache: Path
) -> None:
    session = Session("t", make_trial(epochs=EPOCHS), cache)
    for epoch in range(EPOCHS):
        assert not session.done
        metrics = session.advance()
        assert session.history[epoch] is metrics
    assert session.done
    assert not session.diverged
    assert session.history[-1]["val_accuracy_clean"] > 0.8


def test_patience_ends_training_when_more_epochs_than_that_brought_nothing_better(
    make_trial: Callable[..., Trial], cache: Path
) -> None:
    trial = make_trial("ce", epochs=40, optimizer={"lr": 0.5})
    trial["training"]["patience"] = 3
    session = finish(Session("impatient", trial, cache))
    values = [metrics["val_accuracy_noisy"] for metrics in session.history]
    assert session.epoch < 40
    assert session.epoch - session.best_epoch == 4
    assert max(values) == values[session.best_epoch - 1]
    assert not session.diverged


def test_facts_are_the_tasks_hashes_and_realised_noise(trial: Trial, cache: Path, digits: TaskData) -> None:
    assert Session("t", trial, cache).facts == {
        "split_digest": digits.split_digest,
        "noise_digest": digits.noise_digest,
        "noise_rate_realised": digits.realised_rate,
        "num_train": len(digits.train_index),
        "num_val": len(digits.val_index),
    }


class Complaining(CrossEntropy):
    """Finds something wrong with itself from its second epoch on."""

    observes_epochs = True
    epochs = 0

    def end_epoch(self, epoch: int, logits: torch.Tensor, targets: torch.Tensor) -> None:
        self.epochs = epoch

    def warnings(self) -> Sequence[str]:
        return [f"epsilon of class {self.epochs} is {-0.1 * self.epochs:g}", "too bold"] if self.epochs > 1 else []


def test_what_a_loss_finds_wrong_is_a_warning_once(
    make_trial: Callable[..., Trial], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complaining(*given: Any) -> Lane:
        return dataclasses.replace(make_lane(*given), loss=Complaining(10))

    monkeypatch.setattr("trainables.engine.session.make_lane", complaining)
    session = Session("t", make_trial(epochs=EPOCHS), cache)
    session.advance()
    assert session.warnings == ()
    assert finish(session).warnings == ("epoch 2: epsilon of class 2 is -0.2", "epoch 2: too bold")


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("loss", {"family": "mcell"}, r"unknown family 'mcell'; did you mean 'mcel'\?"),
        ("loss", {"family": "tce", "alpha": -1.0}, r"alpha = -1 is outside"),
        ("model", {"name": "small_cnnn"}, r"unknown model 'small_cnnn'; did you mean 'small_cnn'\?"),
        ("dataset", {"name": "digit"}, r"unknown data set 'digit'; did you mean 'digits'\?"),
        ("noise", {"kind": "uniform", "rate": 1.5, "seed": 0}, r"noise rate 1\.5 is outside \[0, 1\]"),
    ],
)
def test_impossible_trial_is_refused_before_it_trains(
    trial: Trial, cache: Path, part: str, value: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Session("t", trial | {part: value}, cache)
