"""What must be known of a data set's classes to say which metrics it has."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.data.datasets import Images
from trainables.metrics.catalogue import MANY_CLASSES, METRICS, ORDER, SUPERCLASSES, TOP, Metric
from trainables.similarity.hierarchy import cifar100_superclasses


@dataclass(frozen=True)
class Classes:
    """How many there are, whether their indices are an order (ages), and the superclass of each, `[C]`, if known."""

    count: int
    ordered: bool = False
    superclasses: tuple[int, ...] | None = None

    @classmethod
    def of(cls, pool: Images) -> Classes:
        """The classes of a data set. Superclasses are CIFAR-100's, where every class has a name of one of its."""
        return cls(pool.num_classes, pool.ordered, known_superclasses(pool.class_names))

    @property
    def metrics(self) -> list[Metric]:
        """The validation metrics that there are."""
        have = {
            None: True,
            MANY_CLASSES: self.count > TOP,
            ORDER: self.ordered,
            SUPERCLASSES: self.superclasses is not None,
        }
        return [metric for metric in METRICS.values() if have[metric.needs]]


def known_superclasses(class_names: tuple[str, ...]) -> tuple[int, ...] | None:
    """The superclass of each class, counted from 0; None where one is unknown, or where they group nothing.

    They group nothing where every class has one of its own, or all have the same.
    """
    known = cifar100_superclasses()
    if not all(name in known for name in class_names):
        return None
    groups = [known[name] for name in class_names]
    names = sorted(set(groups))
    return tuple(names.index(group) for group in groups) if 1 < len(names) < len(groups) else None
