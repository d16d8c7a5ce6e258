"""One epoch of all lanes as one program, made anew when a lane joins or leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainables.engine.augmenting import LaneAugmentation
from trainables.engine.bank import Bank, Rows
from trainables.engine.dropout import lane_dropouts
from trainables.engine.graphs import make_steps
from trainables.engine.image_source import ImageSource
from trainables.engine.lane import Lane
from trainables.engine.measure import TrainingMeasure, ValidationMeasure
from trainables.engine.objective import LaneLoss, Objective
from trainables.engine.optimizers import clip
from trainables.engine.schedules import schedule_factors
from trainables.engine.stack import Outputs, gradients, last, make_stack
from trainables.metrics.classes import Classes
from trainables.seeds import derive_seed

EVALUATION_BATCH = 1024  # images in one forward pass without gradients


class Program:
    """What is derived from the list of lanes: stacked networks and losses, labels, hyperparameters as columns.

    `bank` holds the networks, row i being lane i's, and `module` gives their structure; `classes` say what is measured.
    Epochs are counted from 0.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        losses: Sequence[LaneLoss],
        module: nn.Module,
        bank: Bank,
        data: ImageSource,
        classes: Classes,
    ) -> None:
        self.lanes, self.bank, self.data, self.classes = list(lanes), bank, data, classes
        self.batch_size = lanes[0].training["batch_size"]
        self.networks = make_stack(module, bank, images=True)
        self.bf16 = lanes[0].training.get("precision") == "bf16"
        self.columns = {
            name: self._column([lane.training["optimizer"][name] for lane in lanes])
            for name in bank.optimizer.hyperparameters
        }
        self.objective = Objective(losses, bank.optimizer, self.columns, data.device)
        self.labels = torch.stack([lane.train_labels for lane in lanes]).to(data.device)
        self.clean_labels = torch.stack([lane.clean_train_labels for lane in lanes]).to(data.device)
        noisy = torch.stack([lane.val_labels for lane in lanes])
        clean = torch.stack([lane.clean_val_labels for lane in lanes])
        self.val_labels = torch.stack([noisy] if torch.equal(noisy, clean) else [noisy, clean]).to(data.device)
        groups = classes.superclasses
        self.superclasses = None if groups is None else torch.tensor(groups, device=data.device)
        norms = [lane.training["clip_norm"] for lane in lanes]
        clipped = any(norm is not None for norm in norms)
        self.max_norm = self._column([math.inf if norm is None else norm for norm in norms]) if clipped else None
        self.dropouts = lane_dropouts(module)
        self.augmentation = LaneAugmentation(lanes, data.image_shape, data.device)
        self.steps = make_steps(data.device)

    def snapshot(self) -> tuple[Rows, list[Rows]]:
        """Copies of all that an epoch changes, for `restore`."""
        return self.bank.snapshot(), self.objective.snapshot()

    def restore(self, before: tuple[Rows, list[Rows]]) -> None:
        """Undo what was done since `snapshot`."""
        networks, losses = before
        self.bank.restore(networks)
        self.objective.restore(losses)

    def learning_rates(self, epochs: Sequence[int]) -> Tensor:
        """The learning rates of each lane's network and of what its loss learns, at each step: `[2, steps, L]`."""
        steps = math.ceil(self.data.num_train / self.batch_size)
        rates = []
        for lane, epoch in zip(self.lanes, epochs, strict=True):
            training, own = lane.training, lane.loss.learning_rate
            factors = schedule_factors(training["schedule"], epoch, training["epochs"], steps)
            base = training["optimizer"]["lr"]
            rates.append(
                [[rate * factor for factor in factors] for rate in (base, base if own is None else float(own))]
            )
        return torch.tensor(rates, dtype=torch.float64).permute(1, 2, 0)

    def train(self, epochs: Sequence[int], rates: Tensor) -> Tensor:
        """Train on all images once; the metrics `measure.TRAINED` `[4, L]`, still on the device."""
        by_step = zip(*rates.to(self.data.device, self.data.dtype)[..., None], strict=True)
        self._seed_dropouts(epochs)
        self.augmentation.begin(epochs, self.data.num_train)
        measure = TrainingMeasure(self.labels, self.clean_labels)
        batches = self.data.train_batches(self._orders(epochs), self.batch_size, self.augmentation)
        for (indices, images), (lr, loss_lr) in zip(batches, by_step, strict=True):
            losses, logits = self.steps.run(self.step, indices, images, lr, loss_lr)
            measure.add(losses, logits, indices)
        return measure.finish()

    def step(self, indices: Tensor, images: Tensor, lr: Tensor, loss_lr: Tensor) -> tuple[Tensor, Tensor]:
        """One batch of every lane, without waiting for the device: losses `[L]` and logits `[L, B, C]` before the step.

        `lr` and `loss_lr` are `[L, 1]`.
        """
        targets = self.labels.gather(1, indices)
        logits = self._forward(images)
        losses = self.objective(logits, targets, indices)
        gradient, *of_losses = gradients(losses.sum(), [self.networks, *self.objective.learning_stacks])
        with torch.no_grad():
            if self.max_norm is not None:
                clip(gradient, self.max_norm)
            self.bank.step(gradient, lr, self.columns)
            self.objective.step(of_losses, loss_lr)
        return losses.detach(), last(logits).detach()

    def evaluate(self) -> ValidationMeasure:
        """What the networks make of the validation images."""
        measure = ValidationMeasure(self.val_labels, self.classes, self.superclasses)
        for _, images in self.data.val_batches(EVALUATION_BATCH):
            measure.add(last(self.networks.evaluate(images)))
        return measure

    def show_outputs(self, epochs: Sequence[int]) -> None:
        """Show the losses that ask for it what their networks make of the training images, without augmentation."""
        rows = self.objective.observing([epoch + 1 for epoch in epochs])
        if not rows:
            return
        watched = self.data.watched_batches(EVALUATION_BATCH)
        logits = torch.cat([last(self.networks.evaluate(images))[rows] for _, images in watched], dim=1)
        for row, outputs in zip(rows, logits, strict=True):
            self.objective.end_epoch(row, epochs[row] + 1, outputs, self.labels[row])

    def _forward(self, images: Tensor) -> Outputs:
        """Logits; with `bf16` the networks alone compute in it, and no scaler, through which lanes would meet."""
        if not self.bf16:
            return self.networks.forward(images)
        with torch.autocast(self.data.device.type, torch.bfloat16):
            logits = self.networks.forward(images)
        return logits.float() if isinstance(logits, Tensor) else [part.float() for part in logits]

    def _orders(self, epochs: Sequence[int]) -> Tensor:
        """Each lane's order of the training images, `[L, N]` on the CPU."""
        orders = []
        for lane, epoch in zip(self.lanes, epochs, strict=True):
            generator = torch.Generator().manual_seed(derive_seed(lane.order_seed, epoch))
            orders.append(torch.randperm(self.data.num_train, generator=generator))
        return torch.stack(orders)

    def _seed_dropouts(self, epochs: Sequence[int]) -> None:
        for place, name in enumerate(self.dropouts):
            seeds = [
                derive_seed(lane.order_seed, "dropout", place, epoch)
                for lane, epoch in zip(self.lanes, epochs, strict=True)
            ]
            self.bank.buffers[f"{name}.mask_seed"].copy_(torch.tensor(seeds))
            self.bank.buffers[f"{name}.mask_calls"].zero_()

    def _column(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=self.data.dtype, device=self.data.device)[:, None]
