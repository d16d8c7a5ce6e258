"""Files that a similarity is read from, tied down by their content when a study is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainables.files import pinned_digest
from trainables.similarity.catalogue import Spec, parse


def resolve(value: Any, folder: Path | None = None) -> Spec:
    """`parse(value)` with the absolute path of its file, if it has one, and the digest of the content.

    A relative path is taken from `folder`, by default the current one. The result may be parsed and resolved again.
    Raises ValueError where the file is not there, or is not the one that a digest in `value` was made of.
    """
    spec = parse(value)
    if spec.get("path") is None:
        return spec
    path = ((folder or Path.cwd()) / Path(spec["path"]).expanduser()).resolve()
    return spec | {"path": str(path), "digest": pinned_digest(path, f"similarity '{spec['name']}'", spec["digest"])}


def pinned(value: Any) -> Spec:
    """`parse(value)` with the digest of its file: the one in `value`, or else the file's."""
    spec = parse(value)
    return resolve(spec) if spec.get("path") and spec["digest"] is None else spec
