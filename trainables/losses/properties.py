"""What a loss is like: whether it is symmetric and bounded, computed rather than asserted."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.losses.base import Loss


@dataclass(frozen=True)
class Properties:
    """`symmetric`: the losses of all labels sum to the same for every output, so that uniform label noise does not
    move the minimum (Ghosh, Kumar and Sastry, AAAI 2017); `spread` is how far that sum strays, relative to its mean.
    `bounded`: no output has more than a certain loss; `largest` is the largest that was found, inf where there is none.
    """

    symmetric: bool
    spread: float
    bounded: bool
    largest: float


@torch.no_grad()
def measure_properties(loss: Loss) -> Properties:
    """The properties of a loss's samples (what is added once per batch left out), in double precision.

    Symmetry: 200 random outputs from unsure to very sure. Boundedness: outputs whose logits grow to 1e300 along many
    directions; the loss is called bounded where it grows less and less with every doubling of their exponent. A bound
    that is reached more slowly than that, as TCE's at alpha = 1.001, is not seen.
    """
    loss = loss.double().eval()
    classes = loss.num_classes
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(200, classes, generator=generator, dtype=torch.float64)
    drawn *= torch.logspace(-1, 2, 200, dtype=torch.float64)[:, None]
    sums = torch.stack([_losses(loss, drawn, label) for label in range(classes)]).sum(0)
    spread = float((sums.amax() - sums.amin()) / sums.mean().abs().clamp_min(1e-300))

    axes = torch.eye(classes, dtype=torch.float64)
    directions = torch.cat([axes, -axes, drawn[:50] / drawn[:50].abs().amax(1, keepdim=True)])
    largest = [
        max(float(_losses(loss, directions * 10.0**power, label).abs().amax()) for label in range(classes))
        for power in (37.5, 75, 150, 300)
    ]
    first, second, third = (after - before for before, after in itertools.pairwise(largest))
    flat = 1e-9 * (1 + abs(largest[-1]))
    bounded = all(map(math.isfinite, largest)) and (third <= flat or (third < 0.9 * second < 0.9 * first))
    return Properties(spread < 1e-9, spread, bounded, max(largest) if bounded else math.inf)


def _losses(loss: Loss, logits: Tensor, label: int) -> Tensor:
    targets = torch.full((len(logits),), label)
    given = logits if getattr(loss, "num_modules", 1) == 1 else [logits] * int(loss.num_modules)  # type: ignore[arg-type]  # an attribute of MSL alone
    values: Tensor = loss(given, targets, torch.zeros_like(targets), reduction="none")
    return values
