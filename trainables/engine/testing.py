"""A lane's network on test images: to judge what was chosen, never to choose."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from trainables.data.datasets import Images
from trainables.engine.measure import ValidationMeasure
from trainables.engine.place import Place
from trainables.engine.program import EVALUATION_BATCH
from trainables.engine.stack import last
from trainables.metrics.classes import Classes


def metrics_on_test(place: Place, test: Images, which: Literal["best", "last"]) -> dict[str, float]:
    """The metrics of `tested` of a place's lane, with its weights of the best or the last epoch."""
    network, array = place.network(which).eval(), place.array
    return tested(lambda images: last(network(array.data.normalisation(images))), test, array.device)


@torch.no_grad()
def tested(logits: Callable[[Tensor], Tensor], test: Images, device: torch.device) -> dict[str, float]:
    """The metrics of the catalogue as `test_accuracy`, `test_loss`, ... of what gives logits `[B, C]` for raw images.

    A value that is no finite number is left out.
    """
    classes = Classes.of(test)
    groups = None if classes.superclasses is None else torch.tensor(classes.superclasses, device=device)
    measure = ValidationMeasure(torch.tensor(test.labels[:], device=device).view(1, 1, -1), classes, groups)
    for start in range(0, len(test.labels), EVALUATION_BATCH):
        images = torch.from_numpy(np.array(test.images[start : start + EVALUATION_BATCH])).to(device)
        measure.add(logits(images).unsqueeze(0))
    values = dict(zip(measure.reported_names(), measure.finish()[:, 0].tolist(), strict=True))
    renamed = {name.replace("val_", "test_", 1).removesuffix("_clean"): value for name, value in values.items()}
    return {name: value for name, value in renamed.items() if not name.endswith("_noisy") and math.isfinite(value)}
