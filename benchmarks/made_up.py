"""Studies whose trials never ran: their ledgers, written through the ledger's own interface as a launch writes them.

Cells, configs and trials are those that `study launch` would record, with one transaction where it would make one.
Curves rise and settle, at a height that depends on learning rate and noise, with noise of their own; nothing is learnt
from them, but figures and statistics have the work that real ones give.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Iterator
from typing import Any

from study.planning.agenda import cell_facts
from study.planning.plan import Config, make_plan
from study.records.environment import describe_environment
from study.records.ledger import Ledger
from study.records.paths import Home
from study.records.states import COMPLETED, DIVERGED
from study.spec import StudySpec
from study.spec.yaml_file import to_yaml

REPEATS = 5
RATES = [0.0, 0.2, 0.4, 0.6, 0.8]
FAMILIES = ["ce", "label_smoothing", "mcel", "tce"]
DIVERGES = 0.02  # the share of trials that do
RISING = ("accuracy", "top5", "macro_f1")
FALLING = ("loss", "brier", "ece", "ece_scaled")


def make_spec(name: str, trials: int, epochs: int) -> StudySpec:
    """A study of at least so many trials: four families, five noise rates, five repeats."""
    configs = -(-trials // (len(FAMILIES) * len(RATES) * REPEATS))
    return StudySpec.model_validate(
        {
            "name": name,
            "dataset": "digits",
            "noise": {"rate": RATES},
            "model": "small_cnn",
            "families": FAMILIES,
            "training": {
                "epochs": epochs,
                "optimizer": {"name": "sgd", "lr": {"loguniform": [0.001, 1.0]}, "weight_decay": 1e-4},
            },
            "search": {"name": "random", "configs": configs, "repeats": REPEATS},
        }
    )


def record_study(home: Home, spec: StudySpec, trials: int, batch: int) -> int:
    """The ledger of a study whose first so many trials have all ended, and its study file; how many transactions.

    Each result of a trial's worker brings `batch` epochs.
    """
    plan = make_plan(spec, home.cache)
    configs = [config for cell in plan.cells for config in cell.configs]
    described = list(itertools.islice(described_trials(configs), trials))
    paths = home.study(spec.name)
    paths.root.mkdir()
    paths.study_file.write_text(to_yaml(spec.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    with Ledger(paths.ledger, write=True) as ledger:
        ledger.record_spec(spec.model_dump(mode="json"), describe_environment())
        ledger.record_cells((cell.key, cell_facts(cell)) for cell in plan.cells)
        ledger.record_configs((c.cell.key, c.key, c.number, c.params) for c in configs)
        ledger.record_trials(described)
        return 4 + sum(_record_trial(ledger, trial, batch) for trial in described)


def make_reports(key: str, trial: dict[str, Any], first: int, last: int) -> list[dict[str, float]]:
    """Epochs `first` to `last` as a worker reports them: 22 metrics and the time."""
    draw = random.Random(f"{key} {first}")
    lr, rate = trial["training"]["optimizer"]["lr"], trial["noise"].get("rate", 0.0)
    height = (0.97 - 0.3 * rate) * math.exp(-(math.log10(lr / 0.05) ** 2) / 4)

    def reached(epoch: int, ceiling: float) -> float:
        return ceiling * (1 - 0.8 * math.exp(-epoch / 6)) + draw.gauss(0, 0.01)

    def report(epoch: int) -> dict[str, float]:
        metrics: dict[str, float] = {"epoch": epoch}
        for labels, ceiling in (("noisy", height * (1 - 0.8 * rate)), ("clean", height)):
            metrics |= {f"val_{name}_{labels}": reached(epoch, ceiling) for name in RISING}
            metrics |= {f"val_{name}_{labels}": 1 - reached(epoch, ceiling) for name in FALLING}
            metrics[f"val_temperature_{labels}"] = 1 + reached(epoch, 0.5)
        return metrics | {
            "train_loss": 1 - reached(epoch, height),
            "train_accuracy": reached(epoch, height),
            "train_memorised": rate * epoch / 100 + draw.gauss(0, 0.01),
            "train_still_true": reached(epoch, height),
            "lr": lr * (1 - epoch / 101),
            "seconds": 0.05,
            "time": time.time(),
        }

    return [report(epoch) for epoch in range(first, last + 1)]


def described_trials(configs: list[Config]) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Every trial as the ledger records it."""
    for config in configs:
        for repeat in range(REPEATS):
            yield config.trial_key(repeat), config.key, repeat, config.trial(repeat)


def _record_trial(ledger: Ledger, described: tuple[str, str, int, dict[str, Any]], batch: int) -> int:
    """One trial from start to end; how many transactions that took."""
    key, _, repeat, trial = described
    epochs, monitor = trial["training"]["epochs"], trial["monitor"]["metric"]
    ledger.record_started(key)
    best, starts = (-math.inf, 0), range(1, epochs + 1, batch)
    for first in starts:
        reports = make_reports(key, trial, first, min(first + batch - 1, epochs))
        best = max(best, *((report[monitor], int(report["epoch"])) for report in reports))
        facts = {
            "split_digest": "0" * 16,
            "noise_digest": f"{trial['noise'].get('rate', 0):.1f} {repeat}",
            "noise_rate_realised": trial["noise"].get("rate", 0.0),
            "threads": 1,
            "device": "cpu",
        }
        result = {"reports": reports, "epoch": int(reports[-1]["epoch"]), "best_epoch": best[1], "facts": facts}
        ledger.record_result(key, result, monitor)
    ledger.record_ended(key, DIVERGED if random.Random(key).random() < DIVERGES else COMPLETED)
    return len(starts) + 2
