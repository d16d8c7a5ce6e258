"""Classes paired at random, a share of their labels exchanged."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainables.data.noise.asymmetric import exchange
from trainables.data.noise.kind import Names, NoiseKind, Part, Spec
from trainables.seeds import derive_seed


def random_pairs(num_classes: int, seed: int) -> list[tuple[int, int]]:
    """All classes in pairs, drawn from the noise seed itself: the same in training and in validation.

    An odd number of classes leaves one out, which keeps its labels.
    """
    order = np.random.default_rng(derive_seed(seed, "pairs")).permutation(num_classes).tolist()
    return sorted((min(pair), max(pair)) for pair in zip(order[::2], order[1::2], strict=False))


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """Of each paired class with n labels, exactly `round(rate n)` replaced by its partner, `[N]`.

    Negi, Chen and Mahoor, figure 5, which gives the number of pairs (5 of CIFAR-10's 10 classes) and the share
    exchanged; how they were drawn it does not say. At 0.5 the two classes of a pair cannot be told apart. Masks of
    one seed are nested over rates, and the pairs are the same at each.
    """
    pairs = random_pairs(part.num_classes, spec["seed"])
    return exchange(part, dict([*pairs, *((b, a) for a, b in pairs)]), spec["rate"], spec["seed"])


def facts(spec: Spec, class_names: Names) -> dict[str, Any]:
    """The `pairs` by class names, and the class `left_out` where there is one."""
    pairs = random_pairs(len(class_names), spec["seed"])
    single = [name for number, name in enumerate(class_names) if all(number not in pair for pair in pairs)]
    named = [[class_names[a], class_names[b]] for a, b in pairs]
    return {"pairs": named, **({"left_out": single[0]} if single else {})}


PAIR = NoiseKind(
    name="pair",
    meaning="classes are paired at random, a share of the labels of each pair is exchanged; an odd class is left out",
    formula="T[a, b] = T[b, a] = rate for each pair (a, b)",
    source="Negi, Chen and Mahoor, Mixed Cross Entropy Loss, figure 5",
    corrupt=corrupt,
    facts=facts,
)
