"""Logits and labels of any shape, for comparison with a reference that takes one lane at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor


@dataclass(frozen=True)
class Case:
    """Logits `[L, M, C]` in double precision and labels `[L, M]`."""

    logits: Tensor
    targets: Tensor

    @property
    def probabilities(self) -> Tensor:
        return self.logits.softmax(-1)

    @property
    def predicted(self) -> Tensor:
        return self.logits.argmax(-1)

    @property
    def classes(self) -> int:
        return self.logits.shape[-1]

    def each(self, reference: Callable[[np.ndarray, np.ndarray], Any]) -> np.ndarray:
        """`reference(logits [M, C], labels [M])` of every lane, `[L, ...]`."""
        pairs = zip(self.logits.numpy(), self.targets.numpy(), strict=True)
        return np.array([reference(logits, targets) for logits, targets in pairs])

    def each_prediction(self, reference: Callable[[np.ndarray, np.ndarray], Any]) -> np.ndarray:
        """`reference(predicted [M], labels [M])` of every lane, `[L, ...]`."""
        return self.each(lambda logits, targets: reference(logits.argmax(-1), targets))


def make_case(seed: int, lanes: int = 3, images: int = 200, classes: int = 10, scale: float = 2.0) -> Case:
    """Random logits, half of the labels being what they predict."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(lanes, images, classes, generator=generator, dtype=torch.float64)
    guesses = torch.randint(classes, (lanes, images), generator=generator)
    right = torch.rand(lanes, images, generator=generator) < 0.5
    return Case(logits, torch.where(right, logits.argmax(-1), guesses))


CASES = st.builds(
    make_case,
    seed=st.integers(0, 2**32),
    lanes=st.integers(1, 3),
    images=st.integers(1, 40),
    classes=st.integers(1, 12),
    scale=st.sampled_from([0.0, 0.01, 1.0, 5.0, 300.0]),
)


def for_any_case(test: Callable[[Case], None]) -> Callable[[], None]:
    """Run `test` on cases of all shapes, one class and one image among them."""
    return settings(max_examples=40, deadline=None)(given(CASES)(test))
