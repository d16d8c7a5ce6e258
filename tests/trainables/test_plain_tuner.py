"""The families' Trainables in anyone's `tune.Tuner`, with no study, no ledger and no MLflow."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray import tune

from trainables.base import LossTrainable
from trainables.losses import FAMILIES
from trainables.tce import TCE
from trainables.trial import PLAIN_DEFAULTS, plain_trial, trial_seeds

ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_AUTH_MODE", "disabled")  # what this process may have settled on before
        patched.setenv("RAY_AIR_NEW_OUTPUT", "0")
        patched.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
            object_store_memory=100 * 2**20, runtime_env={"env_vars": {"PYTHONPATH": ROOT}},
        )  # fmt: skip
        try:
            yield
        finally:
            ray.shutdown()


@pytest.fixture
def config(cache: Path) -> dict[str, Any]:
    return {"epochs": 2, "cache": str(cache), "model": "mlp", "noise_rate": 0.2}


def flat(trainable: LossTrainable) -> torch.Tensor:
    return trainable.session.place.array.bank.weights[0].clone()


@pytest.mark.usefixtures("local_ray")
def test_tuner_runs_tce_on_a_grid_and_reports_accuracy_on_noisy_validation_labels(
    config: dict[str, Any], tmp_path: Path
) -> None:
    tuner = tune.Tuner(
        TCE,
        param_space={"alpha": tune.grid_search([0.5, 1.5]), **config},
        tune_config=tune.TuneConfig(metric="val_accuracy_noisy", mode="max"),
        run_config=tune.RunConfig(name="plain", storage_path=str(tmp_path), verbose=0),
    )
    results = tuner.fit()
    assert results.errors == []
    assert sorted(result.config["alpha"] for result in results) == [0.5, 1.5]
    for result in results:
        assert result.metrics["training_iteration"] == 2
        assert 0.5 < result.metrics["val_accuracy_noisy"] < 1
    best = results.get_best_result()
    assert best.metrics["val_accuracy_noisy"] == max(result.metrics["val_accuracy_noisy"] for result in results)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_each_family_has_a_trainable_that_trains_to_its_last_epoch(family: str, config: dict[str, Any]) -> None:
    module = importlib.import_module(f"trainables.{family}")
    (trainable_class,) = [found for found in vars(module).values() if getattr(found, "family", None) == family]
    trainable = trainable_class(config)
    assert [trainable.train()["done"] for _ in range(2)] == [False, True]
    assert trainable.session.trial["loss"]["family"] == family


def test_trainable_restored_from_tunes_checkpoint_goes_on_bit_for_bit(config: dict[str, Any], tmp_path: Path) -> None:
    undisturbed, stopped, restored = TCE(config), TCE(config), TCE(config | {"seed": 0})
    stopped.train()
    stopped.save_checkpoint(str(tmp_path))
    restored.load_checkpoint(str(tmp_path))
    undisturbed.train()
    expected, found = undisturbed.train(), restored.train()
    assert torch.equal(flat(restored), flat(undisturbed))
    assert found["val_loss_noisy"] == expected["val_loss_noisy"]
    assert found["done"]
    assert json.loads((tmp_path / "trial.json").read_text()) == stopped.session.trial


def test_trainable_given_a_new_config_starts_as_a_fresh_one(config: dict[str, Any]) -> None:
    used = TCE(config | {"alpha": 0.5, "seed": 1})
    used.train()
    assert used.reset(config | {"alpha": 1.5})
    fresh = TCE(config | {"alpha": 1.5})
    assert used.train()["train_loss"] == fresh.train()["train_loss"]
    assert torch.equal(flat(used), flat(fresh))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("alfa", r"unknown key 'alfa'; did you mean 'alpha'\?"),
        ("learning_rate", "unknown key 'learning_rate'"),
        ("epsilon", "unknown key 'epsilon'"),
        ("batchsize", r"unknown key 'batchsize'; did you mean 'batch_size'\?"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_one(config: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TCE(config | {key: 1.0})


def test_flat_keys_land_in_the_trial() -> None:
    given = {
        "epochs": 7, "batch_size": 32, "lr": 0.3, "momentum": 0.5, "weight_decay": 0.25, "schedule": "constant",
        "holdout": 0.3, "noise_rate": 0.4, "model": "mlp", "alpha": 1.25,
    }  # fmt: skip
    trial = plain_trial("tce", given)
    assert trial["loss"] == {"family": "tce", "alpha": 1.25}
    assert trial["model"] == {"name": "mlp"}
    assert (trial["split"]["holdout"], trial["noise"]["rate"]) == (0.3, 0.4)
    training = trial["training"]
    assert (training["epochs"], training["batch_size"], training["schedule"]) == (7, 32, {"name": "constant"})
    assert training["optimizer"] == {
        "name": "sgd", "lr": 0.3, "momentum": 0.5, "weight_decay": 0.25, "nesterov": True
    }  # fmt: skip
    assert set(given) - {"alpha"} <= set(PLAIN_DEFAULTS)


def test_seed_changes_every_stream_and_no_two_streams_share_one() -> None:
    first, second = (plain_trial("ce", {"seed": seed, "noise_rate": 0.4}) for seed in (0, 1))
    streams = [(trial["split"]["seed"], trial["noise"]["seed"], *trial["seeds"].values()) for trial in (first, second)]
    assert len(set(streams[0]) | set(streams[1])) == 10
    assert len({seed for repeat in range(3) for seed in trial_seeds(0, repeat).values()}) == 12


def test_families_with_one_seed_share_split_noise_weights_and_order() -> None:
    tce, ce = plain_trial("tce", {"alpha": 1.5, "seed": 3}), plain_trial("ce", {"seed": 3})
    assert {k: v for k, v in tce.items() if k != "loss"} == {k: v for k, v in ce.items() if k != "loss"}
