"""What the tests of data sets share: synthetic data in every real format, written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables.data.fixtures import write_synthetic


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The root of a synthetic data set, for reading alone; `write_synthetic` makes one to be damaged."""
    made: dict[str, Path] = {}

    def write(name: str, **form: Any) -> Path:
        key = f"{name}{sorted(form.items())}"
        if key not in made:
            made[key] = write_synthetic(name, tmp_path_factory.mktemp(name), images_per_class=10, **form)
        return made[key]

    return write


def nearest(images: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """The class whose pattern each image is closest to: another order of axes or channels makes it another class."""
    flat, kinds = images.reshape(len(images), -1).astype(float), patterns.reshape(len(patterns), -1)
    return ((kinds**2).sum(1) - 2 * flat @ kinds.T).argmin(1)
