"""What the tests of training share: one folder of decoded data, tasks, trials and lanes made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables.data.task import TaskData, load_task
from trainables.engine.lane import Lane
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.trial import Trial

SMALL_NETWORKS = {
    "small_cnn": {"name": "small_cnn", "width": 4, "hidden": 16},
    "mlp": {"name": "mlp", "hidden": 24},
}
TrialMaker = Callable[..., Trial]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Other work shares the machine, and sums split over threads differ in their last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def _digits_task(cache: Path, rate: float = 0.2, seed: int = 7) -> TaskData:
    noise = {"kind": "uniform", "rate": rate, "seed": seed}
    return load_task({"name": "digits"}, {"holdout": 0.2, "seed": 3}, noise, cache)


@pytest.fixture(scope="session")
def digits(cache: Path) -> TaskData:
    """Digits, a fifth held out, a fifth of the labels replaced: 1,150 training images, 18 batches of 64."""
    return _digits_task(cache)


@pytest.fixture(scope="session")
def digits_with_noise(cache: Path) -> Callable[[float, int], TaskData]:
    """The same images and split as `digits` under another noise rate and seed."""
    return lambda rate, seed: _digits_task(cache, rate, seed)


@pytest.fixture(scope="session")
def make_trial() -> TrialMaker:
    """A trial on `digits`; keywords replace the values below."""

    def make(
        family: str = "ce",
        *,
        hyperparameters: dict[str, Any] | None = None,
        model: str = "mlp",
        epochs: int = 3,
        precision: str = "float64",
        optimizer: dict[str, Any] | None = None,
        schedule: dict[str, Any] | None = None,
        clip_norm: float | None = None,
        seed: int = 0,
        monitor: tuple[str, str] = ("val_accuracy_noisy", "max"),
    ) -> Trial:
        sgd = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
        adamw = {"name": "adamw", "lr": 0.003, "beta1": 0.9, "beta2": 0.999, "weight_decay": 1e-2}
        optimizer = optimizer or {}
        return {
            "dataset": {"name": "digits"},
            "split": {"holdout": 0.2, "seed": 3},
            "noise": {"kind": "uniform", "rate": 0.2, "seed": 7},
            "model": SMALL_NETWORKS[model],
            "loss": {"family": family, **(hyperparameters or {})},
            "training": {
                "epochs": epochs,
                "batch_size": 64,
                "precision": precision,
                "clip_norm": clip_norm,
                "optimizer": (adamw if optimizer.get("name") == "adamw" else sgd) | optimizer,
                "schedule": schedule or {"name": "cosine"},
            },
            "seeds": {"weights": 100 + seed, "order": 200 + seed, "augmentation": 300 + seed},
            "monitor": {"metric": monitor[0], "mode": monitor[1]},
        }

    return make


@pytest.fixture(scope="session")
def make_array(digits: TaskData) -> Callable[..., LaneArray]:
    """An array for lanes like the first one given, with all of them in it."""

    def make(first: tuple[Lane, Trial], *others: tuple[Lane, Trial]) -> LaneArray:
        trial = first[1]
        array = LaneArray(digits, trial["model"], trial["training"])
        for lane, _ in (first, *others):
            array.add(lane)
        return array

    return make


@pytest.fixture(scope="session")
def lane_of(digits: TaskData) -> Callable[..., tuple[Lane, Trial]]:
    """A trial as a lane, with the trial itself, on `digits` or on the same images under other noise."""
    return lambda key, trial, data=digits: (make_lane(key, trial, data), trial)
