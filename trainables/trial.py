"""What a trial is: one plain dictionary that determines every number it will produce.

    {"dataset":  {"name": "digits", "digest": "..."},  with its root and its options, where it has any
     "split":    {"holdout": 0.2, "seed": 1},
     "noise":    {"kind": "uniform", "rate": 0.4, "seed": 2},      without noise {"kind": "none", "rate": 0.0}
     "model":    {"name": "small_cnn"},
     "loss":     {"family": "tce", "alpha": 1.5},
     "training": {"epochs": 30, "batch_size": 64, "precision": "float32", "clip_norm": None,
                  "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
                  "schedule": {"name": "cosine"},
                  "augment": [{"name": "shift", "pixels": 1, "padding": "zeros"}], "normalise": {"name": "channel"}},
     "seeds":    {"weights": 3, "order": 4, "augmentation": 5},
     "monitor":  {"metric": "val_accuracy_noisy", "mode": "max"}}

`augment` and `normalise` came later: a trial without them has none, and channel mean and deviation.

It is JSON, so that it travels through Ray, lies in the ledger and in exported files, and can be hashed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.augmentation import resolve_augment
from trainables.data.noise import parse
from trainables.losses.families import get_family
from trainables.names import unknown_name
from trainables.normalisation import complete_normalisation
from trainables.seeds import derive_seed

Trial = dict[str, Any]

SEARCH = "search"  # the phase in which configs are chosen

PLAIN_DEFAULTS: dict[str, Any] = {
    "dataset": "digits", "model": "small_cnn", "holdout": 0.2, "noise_rate": 0.0, "seed": 0, "epochs": 20,
    "batch_size": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4, "schedule": "cosine",
    "augment": "none", "normalise": "channel",
}  # fmt: skip


def trial_seeds(seed: int, repeat: int, phase: str = SEARCH) -> dict[str, int]:
    """The seeds of one repeat, alike for every family: `noise`, `weights`, `order`, `augmentation`.

    Repeats of another phase than the search share no seed with its repeats.
    """
    path = ("repeat",) if phase == SEARCH else (phase, "repeat")
    return {use: derive_seed(seed, *path, repeat, use) for use in ("noise", "weights", "order", "augmentation")}


def plain_trial(family: str, config: Mapping[str, Any]) -> Trial:
    """A trial from flat keys, as one writes them for `tune.Tuner`: hyperparameters of the loss and `PLAIN_DEFAULTS`.

    Raises ValueError for an unknown key, augmentation or normalisation.
    """
    hyperparameters = get_family(family).hyperparameters
    for key in config:
        if key not in PLAIN_DEFAULTS and key not in hyperparameters:
            raise ValueError(unknown_name("key", key, [*hyperparameters, *PLAIN_DEFAULTS], "keys"))
    values = PLAIN_DEFAULTS | {k: v for k, v in config.items() if k in PLAIN_DEFAULTS}
    optimizer = {"name": values["optimizer"], "lr": values["lr"], "weight_decay": values["weight_decay"]}
    if values["optimizer"] == "sgd":
        optimizer |= {"momentum": values["momentum"], "nesterov": True}
    else:
        optimizer |= {"beta1": 0.9, "beta2": 0.999}
    seeds = trial_seeds(values["seed"], 0)
    return {
        "dataset": {"name": values["dataset"]} if isinstance(values["dataset"], str) else dict(values["dataset"]),
        "split": {"holdout": values["holdout"], "seed": derive_seed(values["seed"], "split")},
        "noise": parse({"kind": "uniform", "rate": values["noise_rate"], "seed": seeds.pop("noise")}),
        "model": {"name": values["model"]},
        "loss": {"family": family, **{k: v for k, v in config.items() if k in hyperparameters}},
        "training": {
            "epochs": values["epochs"],
            "batch_size": values["batch_size"],
            "precision": "float32",
            "clip_norm": None,
            "optimizer": optimizer,
            "schedule": {"name": values["schedule"]},
            "augment": resolve_augment(values["augment"], values["dataset"]),
            "normalise": complete_normalisation(values["normalise"]),
        },
        "seeds": seeds,
        "monitor": {"metric": "val_accuracy_noisy", "mode": "max"},
    }
