"""A lane's network on test images: for the confirmation of configs that were chosen, never for a search."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch

from trainables.data.datasets import Images
from trainables.engine.lanes import LaneArray
from trainables.engine.measure import ValidationMeasure
from trainables.engine.program import EVALUATION_BATCH
from trainables.engine.stack import last
from trainables.metrics.classes import Classes


@torch.no_grad()
def metrics_on_test(array: LaneArray, key: str, test: Images, which: Literal["best", "last"]) -> dict[str, float]:
    """The metrics of the catalogue as `test_accuracy`, `test_loss`, ... of lane `key`, with its weights of the best or
    the last epoch. A value that is no finite number is left out.
    """
    network = array.network(key, which).eval()
    classes = Classes.of(test)
    groups = None if classes.superclasses is None else torch.tensor(classes.superclasses, device=array.device)
    measure = ValidationMeasure(torch.tensor(test.labels[:], device=array.device).view(1, 1, -1), classes, groups)
    for start in range(0, len(test.labels), EVALUATION_BATCH):
        images = torch.from_numpy(np.array(test.images[start : start + EVALUATION_BATCH])).to(array.device)
        measure.add(last(network(array.data.normalisation(images))).unsqueeze(0))
    values = dict(zip(measure.reported_names(), measure.finish()[:, 0].tolist(), strict=True))
    tested = {name.replace("val_", "test_", 1).removesuffix("_clean"): value for name, value in values.items()}
    return {name: value for name, value in tested.items() if not name.endswith("_noisy") and math.isfinite(value)}
