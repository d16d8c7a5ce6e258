"""What all kinds of noise share: the part of a task that they corrupt, and how a kind is described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.noise.options import Option
from trainables.files import pinned_digest
from trainables.names import unknown_name
from trainables.seeds import derive_seed

Spec = dict[str, Any]  # {"kind", "rate", options that are set, "seed"}, as in a trial
Names = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Images whose labels are corrupted together: the training or the validation part of a pool.

    `images` `[P, channels, height, width]` and the true `labels` `[P]` are the whole pool's; `index` `[N]` says which
    of them are the part's. `name` keeps its draws apart from the other part's.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    index: np.ndarray
    class_names: Names

    @property
    def true_labels(self) -> np.ndarray:
        """The part's labels before any noise, `[N]`."""
        return np.asarray(self.labels)[self.index]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def generator(self, seed: int) -> np.random.Generator:
        """The part's own random stream."""
        return np.random.default_rng(derive_seed(seed, self.name))

    def by_class(self, order: np.ndarray) -> list[np.ndarray]:
        """The positions in `order`, a permutation of `[0, N)`, of each class; in that order."""
        labels = self.true_labels
        ends = np.cumsum(np.bincount(labels, minlength=self.num_classes))
        return np.split(order[np.argsort(labels[order], kind="stable")], ends[:-1])


def _as_it_is(spec: Spec, dataset: str, class_names: Names) -> Spec:
    return spec


def _nothing_more(spec: Spec, class_names: Names) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class NoiseKind:
    """A kind of noise.

    `corrupt(part, spec)` gives the part's noisy labels `[N]` and raises ValueError where the spec does not fit the
    data. `settle(spec, dataset, class_names)` completes a spec for a data set; `facts(spec, class_names)` is what a
    manifest says beyond rates and transition. `rated`: it has a rate; `drawn`: it needs a seed.
    """

    name: str
    meaning: str
    formula: str
    source: str
    corrupt: Callable[[Part, Spec], np.ndarray]
    options: Mapping[str, Option] = field(default_factory=dict)
    rated: bool = True
    drawn: bool = True
    settle: Callable[[Spec, str, Names], Spec] = _as_it_is
    facts: Callable[[Spec, Names], dict[str, Any]] = _nothing_more

    def parse(self, values: Mapping[str, Any]) -> Spec:
        """`values` checked, without options that are not set. ValueError for the first that is wrong."""
        spec: Spec = {"kind": self.name}
        if self.rated:
            if values.get("rate") is None:
                raise ValueError(f"noise '{self.name}' needs a rate: the share of labels, as in rate: 0.4")
            spec["rate"] = checked_rate(values["rate"])
        elif values.get("rate") is not None:
            raise ValueError(f"noise '{self.name}' has no rate, it comes from {self.formula}; leave rate out")
        for name, value in values.items():
            if name in ("rate", "seed") or value is None:
                continue
            spec[name] = self.parse_option(name, value)
        for name, option in self.options.items():
            if option.required and name not in spec:
                raise ValueError(f"noise '{self.name}' needs {name}: {option.meaning}")
        return spec | ({"seed": values["seed"]} if self.drawn and "seed" in values else {})

    def parse_option(self, name: str, value: Any) -> Any:
        """The value of one option, checked; ValueError where the kind has no such option."""
        if name not in self.options:
            raise ValueError(unknown_name("option", name, self.options, f"noise '{self.name}' has"))
        return self.options[name].parse(name, value)


def pinned(spec: Spec) -> Spec:
    """`spec` with the absolute path of its file and the digest of the content, where it names a file."""
    if "path" not in spec or "digest" in spec:
        return spec
    path = Path(spec["path"]).expanduser().absolute()
    return spec | {"path": str(path), "digest": pinned_digest(path, f"noise '{spec['kind']}'", None)}


def planned_file(spec: Spec) -> Path:
    """The file that `spec` names; ValueError where its content is not what the digest says."""
    path = Path(spec["path"])
    pinned_digest(path, f"noise '{spec['kind']}'", spec["digest"])
    return path


def checked_rate(rate: Any) -> float:
    """`rate` as a number; ValueError where it is outside [0, 1]."""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise ValueError(f"noise rate {rate} is outside [0, 1]: it is the share of labels")
    return float(rate)
