"""A lane's network on test images: for the confirmation of configs that were chosen, never for a search."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from trainables.data.datasets import Images
from trainables.engine.lanes import LaneArray
from trainables.engine.program import EVALUATION_BATCH
from trainables.engine.stack import last


@torch.no_grad()
def metrics_on_test(array: LaneArray, key: str, test: Images, which: Literal["best", "last"]) -> dict[str, float]:
    """`test_accuracy` and `test_loss` (cross entropy) of lane `key`, its weights of the best or the last epoch."""
    network = array.network(key, which).eval()
    images, labels = torch.from_numpy(np.array(test.images)), torch.tensor(test.labels[:], device=array.device)
    parts = [array.data.normalised(part.to(array.device)) for part in images.split(EVALUATION_BATCH)]
    logits = torch.cat([last(network(part)) for part in parts])
    accuracy = (logits.argmax(-1) == labels).double().mean()
    return {
        "test_accuracy": float(accuracy),
        "test_loss": float(torch.nn.functional.cross_entropy(logits, labels)),
    }
