"""The catalogue of validation metrics: what each is, which way is better, what it needs. Plain data, no torch.

Every one is reported against the labels as a user has them (`val_accuracy_noisy`) and the true ones
(`val_accuracy_clean`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["max", "min"]

LABELS = ("noisy", "clean")
TOP = 5  # of that many guesses one is right
MANY_CLASSES, ORDER, SUPERCLASSES = f"more than {TOP} classes", "ordered classes", "classes with superclasses"


@dataclass(frozen=True)
class Metric:
    """A validation metric. `needs` says which classes have it; a study may select by it where `selects` says so."""

    name: str
    mode: Mode
    meaning: str
    needs: str | None = None
    selects: bool = True


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in [
        Metric("val_accuracy", "max", "share of images whose class is the most probable one"),
        Metric("val_loss", "min", "cross entropy (NLL), whatever the family's own loss is"),
        Metric(f"val_top{TOP}", "max", f"share of images whose class is among the {TOP} most probable", MANY_CLASSES),
        Metric("val_macro_f1", "max", "F1 of each class, averaged over classes"),
        Metric("val_brier", "min", "squared error of the probabilities, summed over classes"),
        Metric("val_ece", "min", "expected calibration error: how far confidence is from accuracy"),
        Metric("val_ece_scaled", "min", "the same after temperature scaling"),
        Metric("val_temperature", "min", "the temperature that was fitted for it", selects=False),
        Metric("val_mae", "min", "mean distance of the predicted class, in classes", ORDER),
        Metric("val_mse", "min", "mean squared distance of the predicted class", ORDER),
        Metric("val_superclass_accuracy", "max", "share of images predicted into the right superclass", SUPERCLASSES),
        Metric(
            "val_failed_superclass_accuracy", "max", "that share among wrong predictions", SUPERCLASSES, selects=False
        ),
    ]
}  # those that do not select are no measure of quality, or not defined in every epoch

SELECTABLE = tuple(metric.name for metric in METRICS.values() if metric.selects)
