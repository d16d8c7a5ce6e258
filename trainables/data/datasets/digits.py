"""scikit-learn's digits."""

from __future__ import annotations

import numpy as np

from trainables.data.datasets.images import Decoded
from trainables.data.datasets.source import Request, Source


def read(request: Request) -> Decoded:
    """scikit-learn's copy of the UCI handwritten digits: 1,797 grey images of 8x8, embedded in the library.

    It has no test set of its own: a stratified fifth (360 images, always the same) is set aside as one.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    # scikit-learn's draw and not part_of_one's, because numbers on this test set are published
    pool, test = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=0)
    index = np.sort({"pool": pool, "test": test}[request.part])
    return Decoded(images[index], labels[index], tuple("0123456789"))


SOURCE = Source(
    "handwritten digits, embedded in scikit-learn", read, lambda request: [],
    images="1,437 + 360", classes="10", shape="1x8x8", needs_root=False,
)  # fmt: skip
