"""One place where a similarity, as a study file names it, becomes a matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from trainables.similarity.catalogue import Spec
from trainables.similarity.confusion import confusion_target
from trainables.similarity.contracts import LIKENESS, TARGET, check_likeness, check_target, likeness_of_target
from trainables.similarity.file import read_matrix, read_numbers
from trainables.similarity.hierarchy import cifar100_superclasses, hierarchy_likeness, read_superclasses
from trainables.similarity.lda import lda_likeness
from trainables.similarity.order import order_likeness
from trainables.similarity.resolve import resolve
from trainables.similarity.target import target_of_likeness
from trainables.similarity.words import word_likeness

Needed = TypeVar("Needed")


@dataclass(frozen=True)
class Source:
    """What a similarity may be fitted to. Images `[N, ...]`, labels `[N]`, confusion counts `[C, C]`."""

    num_classes: int
    images: np.ndarray | None = None
    labels: np.ndarray | None = None
    class_names: Sequence[str] | None = None
    confusion: np.ndarray | None = None


def fit(
    value: Any,
    *,
    num_classes: int,
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    confusion: np.ndarray | None = None,
    contract: str = TARGET,
) -> np.ndarray:
    """The similarity `value`, a name or a mapping of name and options, as a matrix `[C, C]`, float64.

    `contract` is "target" (MCEL's family: rows sum to 1, zero diagonal) or "likeness" (SimLoss: in [-1, 1], unit
    diagonal); `sharpness` and `symmetric` shape a target alone. Of images `[N, ch, h, w]`, labels `[N]` (arrays, or
    tensors on the CPU), names and confusion counts only
    what the kind needs has to be there (`SIMILARITIES[name].needs`). ValueError for what is missing or wrong, and for
    a file that is not the one planned with.
    """
    spec = resolve(value)
    arrays = [None if given is None else np.asarray(given) for given in (images, labels, confusion)]
    source = Source(num_classes, arrays[0], arrays[1], class_names, arrays[2])
    if class_names is not None and len(class_names) != num_classes:
        raise ValueError(f"there are {len(class_names)} class names for {num_classes} classes")
    matrix, given = MAKERS[spec["name"]](spec, source)
    check = {TARGET: check_target, LIKENESS: check_likeness}
    matrix = check[given](matrix, num_classes, class_names)
    if contract == given:
        return matrix
    if contract == LIKENESS:
        return likeness_of_target(matrix)
    shape = {name: spec[name] for name in ("sharpness", "tau", "delta", "symmetric") if name in spec}
    target = target_of_likeness(matrix, class_names=class_names, **shape)
    return check_target(target, num_classes, class_names)


def _lda(spec: Spec, source: Source) -> tuple[np.ndarray, str]:
    images = _needed(source.images, spec, "fitted to data: pass images and labels")
    labels = _needed(source.labels, spec, "fitted to data: pass images and labels")
    return lda_likeness(images, labels, source.num_classes), LIKENESS


def _order(spec: Spec, source: Source) -> tuple[np.ndarray, str]:
    return order_likeness(source.num_classes, spec["r"]), LIKENESS


def _words(spec: Spec, source: Source) -> tuple[np.ndarray, str]:
    names = _needed(source.class_names, spec, "made of class names: pass class_names")
    return word_likeness(spec["path"], names, spec["spelling"]), LIKENESS


def _hierarchy(spec: Spec, source: Source) -> tuple[np.ndarray, str]:
    names = _needed(source.class_names, spec, "made of class names: pass class_names")
    superclasses = cifar100_superclasses() if spec["path"] is None else read_superclasses(spec["path"])
    return hierarchy_likeness(names, superclasses, spec["within"], spec["between"]), LIKENESS


def _file(spec: Spec, source: Source) -> tuple[np.ndarray, str]:
    return read_matrix(spec["path"], source.num_classes, source.class_names)


def _confusion(spec: Spec, source: Source) -> tuple[np.ndarray, str]:
    counts = source.confusion if spec["path"] is None else read_numbers(spec["path"])
    counts = _needed(counts, spec, "made of a network's mistakes: name a file of counts (path)")
    return confusion_target(counts, source.num_classes, spec["smoothing"], source.class_names), TARGET


def _uniform(spec: Spec, source: Source) -> tuple[np.ndarray, str]:
    others = np.ones((source.num_classes,) * 2) - np.eye(source.num_classes)
    return others / max(source.num_classes - 1, 1), TARGET


def _needed(value: Needed | None, spec: Spec, reason: str) -> Needed:
    if value is None:
        raise ValueError(f"similarity '{spec['name']}' is {reason}")
    return value


Maker = Callable[[Spec, Source], tuple[np.ndarray, str]]
MAKERS: dict[str, Maker] = {
    "lda": _lda,
    "order": _order,
    "words": _words,
    "hierarchy": _hierarchy,
    "file": _file,
    "confusion": _confusion,
    "uniform": _uniform,
}
