"""Noise that depends on the image: a random projection of its pixels says what it is mistaken for."""

from __future__ import annotations

import numpy as np

from trainables.data.noise.kind import NoiseKind, Part, Spec
from trainables.seeds import derive_seed

SPREAD = 0.1  # standard deviation of the images' own rates
GRAIN = 2.0**-16  # of the projection: with whole pixels its sums are exact, so that every machine finds the same
CHUNK = 2**21  # pixels projected at a time: 16 MB of doubles


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """Exactly `round(rate N)` labels replaced, each by a class that depends on its image, `[N]`: all really change.

    Xia et al., algorithm 2: each image has a flip rate of its own, normal about `rate` with standard deviation 0.1
    and held to [0, 1]; each class y a projection `w_y` of standard normals, `[pixels, C]`; the label becomes j with
    probability softmax over j != y of (x w_y)_j, x being the pixels from 0 to 255, as in their code. These logits
    are thousands apart, so that an image's wrong label is nearly always the same one, and since pixels are not centred
    a class is mistaken for few others.

    Ours: their normal is truncated and each image tossed for, so that the share wanders, and lies above `rate` where
    that is small (0.09 for 0.05). Here the image with uniform v and normal z flips where v < t + 0.1 z, and t (close
    to `rate`) is such that the count is exact; so masks of one seed are nested over rates. Both parts have the same
    projections. Beside the labels it takes 16 MB of pixels and one `w_y` at a time.
    """
    labels = part.true_labels
    generator = part.generator(spec["seed"])
    threshold = generator.random(len(labels)) - SPREAD * generator.standard_normal(len(labels))
    choice = generator.random(len(labels))
    flipped = np.argsort(threshold, kind="stable")[: round(spec["rate"] * len(labels))]
    is_flipped = np.zeros(len(labels), dtype=bool)
    is_flipped[flipped] = True
    for label, members in enumerate(part.by_class(np.arange(len(labels)))):
        chosen = members[is_flipped[members]]
        labels[chosen] = _mistaken_for(part, label, chosen, choice[chosen], spec["seed"])
    return labels


def _mistaken_for(part: Part, label: int, chosen: np.ndarray, choice: np.ndarray, seed: int) -> np.ndarray:
    """What images of one class become, `[n]`; `choice` in [0, 1) picks from each one's distribution."""
    pixels = int(np.prod(part.images.shape[1:]))
    stream = np.random.default_rng(derive_seed(seed, "projection", label))
    projection = np.rint(stream.standard_normal((pixels, part.num_classes)) / GRAIN) * GRAIN
    found = [np.empty(0, dtype=np.int64)]
    rows = max(1, CHUNK // pixels)
    for start in range(0, len(chosen), rows):
        images = part.images[part.index[chosen[start : start + rows]]]
        logits = images.reshape(len(images), pixels).astype(np.float64) @ projection
        logits[:, label] = -np.inf
        heights = np.cumsum(np.exp(logits - logits.max(axis=1, keepdims=True)), axis=1)
        reached = heights > choice[start : start + rows, None] * heights[:, -1:]
        found.append(reached.argmax(axis=1))
    return np.concatenate(found)


INSTANCE = NoiseKind(
    name="instance",
    meaning="feature dependent: a random projection of its pixels says what an image is mistaken for",
    formula="P(j | x, y) = r_x softmax_j(x w_y) for j != y, r_x about rate",
    source="Xia et al., Part-dependent Label Noise, NeurIPS 2020, algorithm 2",
    corrupt=corrupt,
)
