"""Classes grouped under superclasses: those of one group are alike."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainables.similarity.cifar100 import SUPERCLASSES


def hierarchy_likeness(
    class_names: Sequence[str], superclasses: Mapping[str, str], within: float, between: float
) -> np.ndarray:
    """`within` where two classes share a superclass, `between` where not, 1 on the diagonal, `[C, C]`.

    `superclasses` maps class to superclass and may name more classes than there are; spaces, hyphens, underscores and
    capitals are alike. `within` = `between` knows nothing (MCEL is label smoothing then). ValueError for a class
    without a superclass, and where `between` is above `within`.
    """
    if between > within:
        raise ValueError(
            f"between = {between:g} is above within = {within:g}: classes of one superclass are more alike"
        )
    known = {_plain(name): group for name, group in superclasses.items()}
    missing = [name for name in class_names if _plain(name) not in known]
    if missing:
        near = difflib.get_close_matches(_plain(missing[0]), known, n=1)
        hint = f" ('{missing[0]}' may be called '{near[0]}' there)" if near else ""
        raise ValueError(f"no superclass is known of {', '.join(missing)}{hint}; name a file that has them all (path)")
    groups = np.array([known[_plain(name)] for name in class_names])
    likeness = np.where(groups[:, None] == groups, float(within), float(between))
    np.fill_diagonal(likeness, 1)
    return likeness


def cifar100_superclasses() -> dict[str, str]:
    """Class to superclass, of CIFAR-100."""
    return {name: group for group, names in SUPERCLASSES.items() for name in names}


def read_superclasses(path: str | Path) -> dict[str, str]:
    """Class to superclass, of a file.

    YAML maps each superclass to the list of its classes, or each class to its superclass. CSV has a class and its
    superclass on every line. ValueError for anything else, and for a class with two superclasses.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".yaml", ".yml", ".csv"):
        raise ValueError(f"{path} is neither .yaml nor .csv: superclasses are read from these")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(f"{path} cannot be read as text: {problem}") from None
    pairs = _csv_pairs(text, path) if kind == ".csv" else _yaml_pairs(text, path)
    superclasses: dict[str, str] = {}
    for name, group in pairs:
        if superclasses.setdefault(name, group) != group:
            raise ValueError(f"{path}: class '{name}' is in '{superclasses[name]}' and in '{group}'")
    return superclasses


def _csv_pairs(text: str, path: Path) -> list[tuple[str, str]]:
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    except csv.Error as problem:
        raise ValueError(f"{path} is not CSV: {problem}") from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not all(row):
            raise ValueError(f"{path}: row {number} is not a class and its superclass: {','.join(row)[:60]}")
    return [(name, group) for name, group in rows if (name, group) != ("class", "superclass")]


def _yaml_pairs(text: str, path: Path) -> list[tuple[str, str]]:
    from ruamel.yaml import YAML

    try:
        document: Any = YAML(typ="safe", pure=True).load(text)
    except Exception as problem:  # ruamel.yaml lets pass what its constructors stumble over
        raise ValueError(f"{path} is not YAML: {(str(problem).splitlines() or [type(problem).__name__])[0]}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path} is not a mapping: write 'superclass: [class, class, ...]'")
    pairs = []
    for key, value in document.items():
        names = value if isinstance(value, list) else [value]
        if not all(isinstance(name, str | int | float) for name in (key, *names)):
            raise ValueError(f"{path}: '{str(key)[:40]}' has neither a superclass nor a list of classes")
        pairs += [(str(name), str(key)) for name in value] if isinstance(value, list) else [(str(key), str(value))]
    return pairs


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")
