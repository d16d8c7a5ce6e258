"""The table of noises, and how what a study file says of one becomes what a trial says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.data.noise.asymmetric import ASYMMETRIC
from trainables.data.noise.file import FILE
from trainables.data.noise.instance import INSTANCE
from trainables.data.noise.kind import Names, NoiseKind, Spec
from trainables.data.noise.matrix import MATRIX
from trainables.data.noise.none import NONE
from trainables.data.noise.pair import PAIR
from trainables.data.noise.symmetric import SYMMETRIC
from trainables.data.noise.uniform import UNIFORM
from trainables.names import unknown_name

NOISES: dict[str, NoiseKind] = {
    kind.name: kind for kind in (NONE, UNIFORM, SYMMETRIC, PAIR, ASYMMETRIC, INSTANCE, MATRIX, FILE)
}
CLEAN: Spec = {"kind": "none", "rate": 0.0}


def parse(value: Mapping[str, Any]) -> Spec:
    """A noise as a study file or a trial describes it, checked: `kind`, `rate`, options that are set, `seed`.

    Without noise it is `CLEAN`, whatever the kind: at rate 0 all are one. Parsing its own result changes nothing.
    Raises ValueError for an unknown kind or option, and for a value out of range.
    """
    given = dict(value)
    name = given.pop("kind", None)
    if name not in NOISES:
        raise ValueError(unknown_name("noise", name, NOISES, "kinds of noise"))
    if name == NONE.name and given.get("rate") == 0:
        del given["rate"]
    spec = NOISES[name].parse(given)
    return dict(CLEAN) if name == NONE.name or spec.get("rate") == 0 else spec


def settle(value: Mapping[str, Any], dataset: str, class_names: Names) -> Spec:
    """`parse(value)`, completed for a data set: every class by its name, a file by its content's digest.

    Settling its own result changes nothing. Raises ValueError for what does not fit the data set.
    """
    spec = parse(value)
    return NOISES[spec["kind"]].settle(spec, dataset, class_names)


def with_seed(spec: Spec, seed: int) -> Spec:
    """`spec` with the seed of its draws, where it draws anything."""
    return spec | {"seed": seed} if NOISES[spec["kind"]].drawn else spec


def title(spec: Spec, label: str = "") -> str:
    """A noise in a word: `clean`, `uniform 0.4`, `file aggre`. `label` stands for what else tells it apart."""
    if spec["kind"] == NONE.name:
        return "clean"
    if not label and "path" in spec:
        label = spec.get("key", "").removesuffix("_label") or Path(spec["path"]).stem
    rate = f"{spec['rate']:g}" if "rate" in spec else ""
    return " ".join(word for word in (spec["kind"], label, rate) if word)
