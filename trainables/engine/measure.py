"""What is measured in an epoch: sums over batches on the device, read by the host once, at the epoch's end."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.metrics.calibration import calibration_bins, expected_calibration_error
from trainables.metrics.catalogue import LABELS, TOP
from trainables.metrics.classes import Classes
from trainables.metrics.confusion import confusion, macro_f1
from trainables.metrics.memorisation import memorised, still_true
from trainables.metrics.order import absolute_error, squared_error
from trainables.metrics.ranks import top_k
from trainables.metrics.scores import brier, nll
from trainables.metrics.superclasses import failed_superclass_accuracy, superclass_hits
from trainables.metrics.temperature import (
    Pairs,
    common_temperature,
    fit_log_temperatures,
    in_pairs,
    scaled_confidence,
)

TRAINED = ("train_loss", "train_accuracy", "train_memorised", "train_still_true")
ALWAYS = (
    "train_loss",
    "train_accuracy",
    "val_loss_noisy",
    "val_accuracy_noisy",
    "val_loss_clean",
    "val_accuracy_clean",
)


class TrainingMeasure:
    """What the forward passes of training predict, each batch before the step that it causes. Lanes `L`, images `N`."""

    def __init__(self, labels: Tensor, clean: Tensor) -> None:
        self.labels, self.clean = labels, clean
        self.indices: list[Tensor] = []
        self.predicted: list[Tensor] = []
        self.losses: list[Tensor] = []

    def add(self, losses: Tensor, logits: Tensor, indices: Tensor) -> None:
        """Losses `[L]` and logits `[L, B, C]` of the images at `indices` `[L, B]`."""
        self.losses.append(losses.detach() * indices.shape[1])
        self.indices.append(indices)
        self.predicted.append(logits.detach().argmax(-1))

    def finish(self) -> Tensor:
        """The metrics TRAINED, `[4, L]`; what becomes of wrong labels is NaN where there are none."""
        indices, predicted = torch.cat(self.indices, dim=1), torch.cat(self.predicted, dim=1)
        labels, clean = self.labels.gather(1, indices), self.clean.gather(1, indices)
        loss = torch.stack(self.losses).sum(0) / indices.shape[1]
        accuracy = (predicted == labels).sum(1).to(loss.dtype) / indices.shape[1]
        shares = memorised(predicted, labels, clean), still_true(predicted, labels, clean)
        return torch.stack([loss, accuracy, *(share.to(loss.dtype) for share in shares)])


class ValidationMeasure:
    """The metrics of `Classes.metrics` on the validation images, against noisy and clean labels.

    `labels` `[S, L, M]` are those of each lane, noisy then clean, or S = 1 where they are the same; `superclasses`
    `[C]` are the classes', on the same device. All but the logits, which are kept to fit temperatures to them
    (`L * M * C` numbers), is summed batch by batch.
    """

    def __init__(self, labels: Tensor, classes: Classes, superclasses: Tensor | None = None) -> None:
        self.labels, self.classes, self.superclasses = labels, classes, superclasses
        self.names = [metric.name for metric in classes.metrics]
        self.sums: dict[str, Tensor] = {}
        self.pairs: list[Pairs] = []
        self.hits: list[Tensor] = []
        self.num_images = 0

    def add(self, logits: Tensor) -> None:
        """The logits `[L, B, C]` of the next images."""
        targets = self.labels[:, :, self.num_images : self.num_images + logits.shape[1]]
        self.num_images += logits.shape[1]
        log_probabilities, predicted = logits.log_softmax(-1), logits.argmax(-1)
        probabilities = log_probabilities.exp()
        confidence, hits = probabilities.amax(-1), predicted == targets
        per_image = {
            "val_accuracy": hits,
            "val_loss": nll(log_probabilities, targets),
            "val_brier": brier(probabilities, targets),
            "void": confidence * 0,  # NaN where the logits are no numbers
        }
        if f"val_top{TOP}" in self.names:
            per_image[f"val_top{TOP}"] = top_k(logits, targets, TOP)
        if self.classes.ordered:
            per_image["val_mae"] = absolute_error(predicted, targets)
            per_image["val_mse"] = squared_error(predicted, targets)
        if self.superclasses is not None:
            per_image["val_superclass_accuracy"] = superclass_hits(predicted, targets, self.superclasses)
        sums = {name: values.sum(-1) for name, values in per_image.items()}
        sums["bins"] = calibration_bins(confidence, hits)
        sums["confusion"] = confusion(predicted, targets, self.classes.count)
        self.sums = {name: self.sums[name] + value for name, value in sums.items()} if self.sums else sums
        self.pairs.append(in_pairs(logits, targets))
        self.hits.append(hits)

    def kept(self) -> dict[str, Tensor]:
        """What a checkpoint keeps of it, by lane; to be asked for after `finish`.

        `confusion` `[L, C, C]`: how many images of each noisy label (row) each class (column) was predicted for.
        `calibration` `[L, 2, 2, 3, 15]`: `calibration_bins` against noisy and clean labels, before and after
        temperature scaling.
        """
        bins = torch.stack([self.sums["bins"], self.scaled_bins], dim=2).expand(len(LABELS), -1, -1, -1, -1)
        return {"confusion": self.sums["confusion"][0], "calibration": bins.movedim(1, 0)}

    def reported_names(self) -> list[str]:
        """The names of the rows of `finish`."""
        return [f"{name}_{labels}" for name in self.names for labels in LABELS]

    def finish(self) -> Tensor:
        """The metrics of `reported_names`, `[2 * names, L]`; NaN where a lane's logits are no numbers.

        But for accuracy, which is a number all the same: what `argmax` says of them.
        """
        void = self.sums["void"]
        sums = {name: total.to(void.dtype) for name, total in self.sums.items()}  # counts too
        values = {name: total / self.num_images for name, total in sums.items() if name.startswith("val_")}
        values["val_macro_f1"] = macro_f1(sums["confusion"])
        values["val_ece"] = expected_calibration_error(self.sums["bins"])
        if self.superclasses is not None:
            right, accuracy = values["val_superclass_accuracy"], values["val_accuracy"]
            values["val_failed_superclass_accuracy"] = failed_superclass_accuracy(right, accuracy)
        values |= self._after_scaling()
        table = torch.stack([values[name] + (0 if name == "val_accuracy" else void) for name in self.names])
        return table.expand(-1, len(LABELS), -1).flatten(0, 1)

    def _after_scaling(self) -> dict[str, Tensor]:
        fitted = fit_log_temperatures(self.pairs)
        scaled = [
            scaled_confidence(logits, fitted, hits.shape[-1])
            for (logits, _), hits in zip(self.pairs, self.hits, strict=True)
        ]
        batches = [calibration_bins(each, hits) for each, hits in zip(scaled, self.hits, strict=True)]
        self.scaled_bins = torch.stack(batches).sum(0)
        error = expected_calibration_error(self.scaled_bins)
        return {"val_ece_scaled": error, "val_temperature": common_temperature(fitted)}
