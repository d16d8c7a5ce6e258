"""One trial from its description to its end: what Ray's Trainables and `study train` both run."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from trainables.data.datasets import Images, load_test
from trainables.data.task import TaskData, load_task
from trainables.engine.checkpoint import CorruptCheckpointError, read_checkpoint, write_checkpoint
from trainables.engine.checkpoint_copies import fetch_checkpoint, send_checkpoint
from trainables.engine.host import LaneHost
from trainables.engine.lane import Lane, Metrics
from trainables.engine.lanes import LaneArray
from trainables.engine.place import LonePlace, Place
from trainables.engine.pool import SharedPlace
from trainables.engine.resolve import trial_loss, trial_modules
from trainables.engine.testing import metrics_on_test
from trainables.own import file_of, is_own, source_digest
from trainables.storage import Storage
from trainables.trial import Trial

NUMBERS = re.compile(r"-?\d[-\d., ]*")


class Session:
    """A trial in an array of lanes: one of its own on `device`, or the one that `host` keeps for many.

    `trial` is described in `trainables/trial.py`. With a `store` it goes on from the checkpoint that lies there, if one
    does, or as a copy in `storage` that is newer. `warnings` says in sentences what was wrong with that, and once each
    what the loss finds wrong with what it learned. With `alone` the host lets it train beside no other. `planned_from`
    says in which file each import path lay when the trial was planned. Raises ValueError where the data or the code is
    not what it was planned with.
    """

    def __init__(
        self,
        key: str,
        trial: Trial,
        cache: Path,
        store: Path | None = None,
        device: str = "cpu",
        host: LaneHost | None = None,
        alone: bool = False,
        planned_from: Mapping[str, str] | None = None,
        storage: Storage | None = None,
    ) -> None:
        self.key, self.trial, self.store, self.cache, self.storage = key, trial, store, cache, storage
        self.confirmed: dict[str, Any] = trial.get("confirm", {})
        data = load_task(trial["dataset"], trial["split"], trial["noise"], cache)
        for own, kept in ((trial["loss"]["family"], "code"), (trial["model"]["name"], "model_code")):
            if is_own(own) and trial.get(kept, "") not in ("", source_digest(own)):
                planned, here = (planned_from or {}).get(own), file_of(own)
                raise ValueError(
                    f"the code of '{own}' is not the one that the trial was planned with: "
                    f"{f'it was {planned}, ' if planned else ''}it is {here}; restore it, or launch again"
                )
        self.facts: dict[str, Any] = {
            "split_digest": data.split_digest,
            "noise_digest": data.noise_digest,
            "noise_rate_realised": data.realised_rate,
            "num_train": len(data.train_index),
            "num_val": len(data.val_index),
        }
        lane = make_lane(key, trial, data)
        self.warnings: tuple[str, ...] = ()
        self.said: set[str] = set()
        state = None
        if store is not None:
            self._fetch(store)
            try:
                restored = read_checkpoint(store, key)
                if restored is not None:
                    state, self.warnings = restored.state, (*self.warnings, *restored.warnings)
            except CorruptCheckpointError as problem:
                self.warnings = (*self.warnings, f"{problem}; starting again from epoch 0")
        self.host, self.data, self.alone = host, data, alone
        self.place: Place
        if host is None:
            array = LaneArray(data, trial["model"], trial["training"], device, lane.modules)
            array.add(lane, state)
            self.place = LonePlace(array, key)
        else:
            self.place = host.enter(lane, state, data, trial, alone=alone)
        if self.done:
            self._end()

    @property
    def history(self) -> list[Metrics]:
        """The metrics of every epoch so far; entry i belongs to epoch i + 1."""
        return self.place.state.history

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return self.place.state.epoch

    @property
    def best_epoch(self) -> int:
        """The epoch with the best monitored metric."""
        return self.place.state.best_epoch

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's loss is not a finite number."""
        losses = ("train_loss", "val_loss_noisy")
        return bool(self.history) and not all(
            math.isfinite(self.history[-1][name]) for name in losses if name in self.history[-1]
        )

    @property
    def done(self) -> bool:
        """Whether there is nothing left to train: its epochs are done, or its patience is at an end."""
        training, confirmed = self.trial["training"], self.confirmed
        epochs = training["epochs"] if confirmed.get("curve") else confirmed.get("epoch", training["epochs"])
        patience = training.get("patience")
        waited = self.epoch - self.best_epoch
        return self.diverged or self.epoch >= epochs or (patience is not None and waited > patience)

    def advance(self, given_up: Callable[[], bool] = lambda: False) -> Metrics:
        """Train one epoch; its metrics, none where `given_up` came true while it waited for its turn."""
        metrics = self.place.advance(given_up)
        if not metrics:
            return metrics
        metrics["time"] = time.time()
        self._note(self.place.warnings())
        if self.confirmed.get("curve"):
            metrics |= self._on_test("last")
        if self.done:
            self._end()
        return metrics

    def join(self) -> None:
        """Share an array from now on, after having been alone."""
        assert isinstance(self.place, SharedPlace)
        assert self.host is not None
        self.leave()
        self.place = self.host.enter(self.place.lane, self.place.save(), self.data, self.trial)
        self.alone = False

    def leave(self) -> None:
        """No further epoch is wanted: the lane's place among others goes to the next."""
        self.place.leave()

    def _end(self) -> None:
        self.leave()
        if not self.diverged:
            self._confirm()

    def _confirm(self) -> None:
        """A trial of a confirmation ends with the test images; no other trial reads them."""
        if not self.confirmed:
            return
        epoch = self.confirmed.get("epoch", self.best_epoch)
        if self.confirmed.get("curve"):
            tested = {name: value for name, value in self.history[epoch - 1].items() if name.startswith("test_")}
        else:
            tested = self._on_test("last" if "epoch" in self.confirmed else "best")
        self.facts["test"] = {"epoch": epoch, **tested}
        self.facts["test_digest"] = self._test_set.digest
        self.facts["num_test"] = len(self._test_set.labels)

    def _on_test(self, which: Literal["best", "last"]) -> Metrics:
        return metrics_on_test(self.place, self._test_set, which)

    @cached_property
    def _test_set(self) -> Images:
        test = load_test(self.trial["dataset"], self.cache)
        if self.confirmed.get("test_digest", test.digest) != test.digest:
            name = self.trial["dataset"]["name"]
            raise ValueError(f"the test set of '{name}' is not the one that the confirmation was planned with")
        return test

    def _note(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            gist = NUMBERS.sub("#", sentence)  # said each epoch with other numbers, it would be a warning an epoch
            if gist not in self.said:
                self.said.add(gist)
                self.warnings = (*self.warnings, f"epoch {self.epoch}: {sentence}")

    def save(self) -> dict[str, Any] | None:
        """Write a checkpoint, where there is a store to write it to; what `write_checkpoint` says of it.

        A copy of it goes to the `storage`, if any; that it did not is a warning, and the next one brings it level.
        """
        if self.store is None:
            return None
        facts = write_checkpoint(self.store, self.key, self.place.save())
        if self.storage is not None:
            try:
                send_checkpoint(self.store, self.storage)
            except OSError as problem:
                self._note([f"no copy of the checkpoint in {self.storage.uri}: {problem}"])
        return facts

    def _fetch(self, store: Path) -> None:
        if self.storage is not None:
            try:
                fetch_checkpoint(self.storage, store)
            except OSError as problem:
                self.warnings = (f"no checkpoint from {self.storage.uri}: {problem}",)


def make_lane(key: str, trial: Trial, data: TaskData) -> Lane:
    """The lane of a trial: its loss made for the data, its labels as tensors."""

    def labels(source: Any, index: Any) -> torch.Tensor:
        return torch.tensor(source[index], dtype=torch.long)

    return Lane(
        key=key,
        loss=trial_loss(trial["loss"], trial["model"], data),
        training=trial["training"],
        weights_seed=trial["seeds"]["weights"],
        order_seed=trial["seeds"]["order"],
        train_labels=labels(data.noisy_labels, data.train_index),
        val_labels=labels(data.noisy_labels, data.val_index),
        clean_train_labels=labels(data.pool.labels, data.train_index),
        clean_val_labels=labels(data.pool.labels, data.val_index),
        monitor=trial["monitor"]["metric"],
        maximise=trial["monitor"]["mode"] == "max",
        modules=trial_modules(trial["loss"]),
        augmentation_seed=trial["seeds"]["augmentation"],
    )
