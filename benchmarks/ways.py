"""Ways to run the same trials; each is run by `platforms.py` in a process of its own.

    python -m benchmarks.ways bare --trials 4 --epochs 2 --folder DIR

writes `DIR/result.json`: `began`, the time at which all was imported and the way itself began, and for each trial its
config, when it started and ended, how many epochs it reported and its last validation accuracy. All times are seconds
since 1970. Heavy libraries are imported inside the ways, so that each imports its own only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from study.records.environment import usable_cpus

ALPHAS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
USUAL_RATES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2)
LEARNING_RATES = (*USUAL_RATES, *(round(0.011 + 0.007 * i, 3) for i in range(26)))
TRIALS = len(ALPHAS) * len(USUAL_RATES)
MAX_TRIALS = len(ALPHAS) * len(LEARNING_RATES)
METRIC = "val_accuracy_noisy"
EXPERIMENT = "platforms"


@dataclass(frozen=True)
class Done:
    """A trial that was trained."""

    alpha: float
    lr: float
    started: float
    ended: float
    epochs: int
    accuracy: float


@dataclass(frozen=True)
class Work:
    """What each way is given: the number of trials and epochs, and a folder that is its own."""

    trials: int
    epochs: int
    folder: Path

    @property
    def configs(self) -> list[dict[str, float]]:
        """The trials' configs, in the order in which a grid search proposes them."""
        grid = itertools.product(LEARNING_RATES, ALPHAS)
        return [{"alpha": alpha, "lr": lr} for lr, alpha in itertools.islice(grid, self.trials)]

    @property
    def cache(self) -> Path:
        """Where decoded data are kept; empty at first."""
        return self.folder / ".cache"

    @property
    def mlflow_db(self) -> Path:
        """The MLflow store; not there at first."""
        return self.folder / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        """Its address."""
        return f"sqlite:///{self.mlflow_db}"


def bare(work: Work) -> tuple[float, list[Done]]:
    """One plain process per core, each taking the next config. No tracking: the ideal to compare with."""
    import multiprocessing

    began = time.time()
    with multiprocessing.get_context("spawn").Pool(usable_cpus(), _bare_start, (work,)) as pool:
        return began, list(pool.imap_unordered(_bare_trial, work.configs))


def _bare_start(work: Work) -> None:
    global _bare_work, _bare_data
    from benchmarks.bare_training import load_data

    _bare_work, _bare_data = work, load_data(work.cache)


def _bare_trial(config: dict[str, float]) -> Done:
    from benchmarks.bare_training import train

    started, epochs = time.time(), []
    metrics = train(config, _bare_data, _bare_work.epochs, lambda epoch, _: epochs.append(epoch))
    return Done(**config, started=started, ended=time.time(), epochs=len(epochs), accuracy=metrics[METRIC])


def ray(work: Work) -> tuple[float, list[Done]]:
    """Ray Tune as its documentation shows it: a function, its MLflow callback, everything else left as it is."""
    from ray import init, tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    began = time.time()
    started: dict[str, float] = {}
    ended: dict[str, float] = {}

    class Clock(tune.Callback):
        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            started[trial.trial_id] = time.time()

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ended[trial.trial_id] = time.time()

    def run_trial(config: dict[str, Any]) -> None:
        from benchmarks.bare_training import load_data, train

        train(config["point"], load_data(work.cache), work.epochs, lambda _, metrics: tune.report(metrics))

    init(address="local", num_cpus=usable_cpus())
    results = tune.Tuner(
        tune.with_resources(run_trial, {"cpu": 1}),
        param_space={"point": tune.grid_search(work.configs)},
        run_config=tune.RunConfig(
            storage_path=str(work.folder / "ray"),
            verbose=0,
            callbacks=[MLflowLoggerCallback(tracking_uri=work.mlflow_uri, experiment_name=EXPERIMENT), Clock()],
        ),
    ).fit()
    if results.errors:
        raise SystemExit(f"ray: {len(results.errors)} trials failed, the first with {results.errors[0]}")
    done = []
    for result in results:
        last, trial = result.metrics, result.metrics["trial_id"]
        times = {"started": started[trial], "ended": ended[trial]}
        done.append(Done(**result.config["point"], **times, epochs=last["training_iteration"], accuracy=last[METRIC]))
    return began, done


def optuna(work: Work) -> tuple[float, list[Done]]:
    """An Optuna study on one thread per core, its trials logged to MLflow once per epoch.

    Not by optuna-integration's MLflowCallback: it knows no epochs, and its `track_in_mlflow`, with which a trial can
    log them, holds a lock around the whole trial, so that `n_jobs` would have no effect.
    """
    import mlflow
    import optuna as library

    from benchmarks.bare_training import load_data, train

    began = time.time()
    library.logging.set_verbosity(library.logging.WARNING)
    mlflow.set_tracking_uri(work.mlflow_uri)
    mlflow.set_experiment(EXPERIMENT)
    data = load_data(work.cache)

    def objective(trial: library.Trial) -> float:
        config = {
            "alpha": trial.suggest_float("alpha", min(ALPHAS), max(ALPHAS)),
            "lr": trial.suggest_float("lr", min(LEARNING_RATES), max(LEARNING_RATES), log=True),
        }
        epochs = []

        def report(epoch: int, metrics: dict[str, float]) -> None:
            mlflow.log_metrics(metrics, step=epoch)
            epochs.append(epoch)

        with mlflow.start_run(run_name=f"trial {trial.number}"):
            mlflow.log_params(config)
            metrics = train(config, data, work.epochs, report)
        trial.set_user_attr("epochs", len(epochs))
        return metrics[METRIC]

    study = library.create_study(direction="maximize")
    for config in work.configs:
        study.enqueue_trial(config)
    study.optimize(objective, n_trials=work.trials, n_jobs=usable_cpus())
    return began, [
        Done(
            **trial.params,
            started=trial.datetime_start.timestamp(),
            ended=trial.datetime_complete.timestamp(),
            epochs=trial.user_attrs["epochs"],
            accuracy=trial.value,
        )
        for trial in study.trials
    ]


WAYS = {"bare": bare, "ray": ray, "optuna": optuna}


def main() -> None:
    """Run one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folder", type=Path, required=True)
    args = parser.parse_args()
    began, done = WAYS[args.way](Work(args.trials, args.epochs, args.folder.absolute()))
    result = {"began": began, "done": [asdict(trial) for trial in done]}
    (args.folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
