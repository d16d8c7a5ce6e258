"""A share of some classes' labels replaced by the one class that each is mistaken for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainables.data.noise.kind import Names, NoiseKind, Part, Spec
from trainables.data.noise.options import ClassMapping
from trainables.names import unknown_name
from trainables.similarity.cifar100 import SUPERCLASSES

CIFAR10 = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
CIFAR100 = {  # the next class of its superclass, the last one's next is the first
    name: group[(place + 1) % len(group)] for group in SUPERCLASSES.values() for place, name in enumerate(group)
}
MNIST = {"7": "1", "2": "7", "5": "6", "6": "5", "3": "8"}
USUAL = {"cifar10": CIFAR10, "cifar100": CIFAR100, "mnist": MNIST}


def settle(spec: Spec, dataset: str, class_names: Names) -> Spec:
    """`spec` with its mapping, or the data set's usual one, by class names in the classes' order.

    ValueError for an unknown class, one that is named twice or becomes itself, and a data set without a usual mapping.
    """
    given = spec.get("mapping") or _usual(dataset, class_names)
    mapping: dict[int, int] = {}
    for source, target in given.items():
        number = class_number(source, class_names)
        if number in mapping:
            raise ValueError(f"class '{class_names[number]}' is named twice in mapping")
        mapping[number] = class_number(target, class_names)
        if mapping[number] == number:
            raise ValueError(f"class '{class_names[number]}' becomes itself in mapping; leave it out")
    return spec | {"mapping": {class_names[source]: class_names[mapping[source]] for source in sorted(mapping)}}


def _usual(dataset: str, class_names: Names) -> dict[str, str]:
    """The data set's usual mapping for the classes that are there."""
    if dataset not in USUAL:
        raise ValueError(
            f"noise 'asymmetric' has a usual mapping for {', '.join(USUAL)}, none for {dataset}; "
            "give one, as in mapping: {truck: automobile}"
        )
    usual = {source: target for source, target in USUAL[dataset].items() if source in class_names}
    for source, target in usual.items():
        if target not in class_names:
            raise ValueError(
                f"the usual mapping of {dataset} turns '{source}' into '{target}', which is left out; give a mapping"
            )
    if not usual:
        raise ValueError(f"the usual mapping of {dataset} has none of the classes that are left; give a mapping")
    return usual


def class_number(name: str, class_names: Names) -> int:
    """The class of that name, or of that number where no class is named by one; ValueError where there is none."""
    if name in class_names:
        return class_names.index(name)
    named_by_numbers = any(each.isdecimal() for each in class_names)
    if name.isdecimal() and int(name) < len(class_names) and not named_by_numbers:
        return int(name)
    raise ValueError(unknown_name("class", name, class_names, "classes"))


def corrupt(part: Part, spec: Spec) -> np.ndarray:
    """Of each mapped class with n labels, exactly `round(rate n)` replaced by the class that it is mapped onto, `[N]`.

    The other classes keep their labels, so the share of all that change is `rate` times the mapped classes' share.
    Masks of one seed are nested over rates.
    """
    classes = part.class_names
    targets = {classes.index(source): classes.index(target) for source, target in spec["mapping"].items()}
    return exchange(part, targets, spec["rate"], spec["seed"])


def exchange(part: Part, targets: Mapping[int, int], rate: float, seed: int) -> np.ndarray:
    """The part's labels `[N]`, of each class in `targets` a share `rate` replaced by its target."""
    labels = part.true_labels
    members = part.by_class(part.generator(seed).permutation(len(labels)))
    for source, target in targets.items():
        labels[members[source][: round(rate * len(members[source]))]] = target
    return labels


ASYMMETRIC = NoiseKind(
    name="asymmetric",
    meaning="a share of some classes' labels becomes the class that each is mistaken for",
    formula="T[i, mapping(i)] = rate",
    source="Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017",
    corrupt=corrupt,
    options={"mapping": ClassMapping("which class each becomes, by name or number")},
    settle=settle,
)
