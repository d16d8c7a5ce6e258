"""The data sets by name, and what may be said of each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.data.datasets import ages, cifar, digits, idx, image_folder, imagenet, npz, svhn
from trainables.data.datasets.elsewhere import is_elsewhere
from trainables.data.datasets.options import SHARED
from trainables.data.datasets.own import check_arguments, own_source
from trainables.data.datasets.source import MissingFilesError, Request, Source
from trainables.names import unknown_name
from trainables.own import is_own

SOURCES: dict[str, Source] = {
    "digits": digits.SOURCE,
    "mnist": idx.MNIST,
    "fashion_mnist": idx.FASHION_MNIST,
    "cifar10": cifar.CIFAR10,
    "cifar100": cifar.CIFAR100,
    "svhn": svhn.SOURCE,
    "image_folder": image_folder.SOURCE,
    "npz": npz.SOURCE,
    "ages": ages.SOURCE,
    "imagenet": imagenet.SOURCE,
}
BESIDE = ("name", "root", "digest")  # what a description has that is no option
VARIABLE = "STUDY_DATA"


def get_source(name: str) -> Source:
    """The source of the data set `name`, or of an import path; ValueError for an unknown one."""
    if isinstance(name, str) and is_own(name):
        return own_source(name)
    if name not in SOURCES:
        raise ValueError(unknown_name("data set", name, sorted(SOURCES), "data sets"))
    return SOURCES[name]


def takes_root(name: str) -> bool:
    """Whether the data set `name` is read from files whose place one can say; ValueError for an unknown one."""
    return is_own(name) or get_source(name).needs_root


def option_names(name: str) -> list[str]:
    """The options that the data set `name` has."""
    return [*get_source(name).options, *SHARED]


def check_dataset(dataset: Mapping[str, Any]) -> None:
    """Refuse an unknown data set, an unknown option and a wrong value with ValueError; files are not looked at."""
    settled_options(dataset)


def settled_options(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a data set with their values; ValueError as `check_dataset` says."""
    name = dataset["name"]
    source = get_source(name)
    known = {**source.options, **SHARED}
    given = {key: value for key, value in dataset.items() if key not in BESIDE}
    if is_own(name):
        own = {key: value for key, value in given.items() if key not in SHARED}
        check_arguments(name, own)
    else:
        own = {}
        for key in given:
            if key not in known:
                raise ValueError(unknown_name("option", key, known, f"data set '{name}' has"))
        if not source.needs_root and dataset.get("root") is not None:
            raise ValueError(f"data set '{name}' is read from no files; remove its root")
    settled = {
        key: option.parse(key, given[key]) if given.get(key) is not None else option.default
        for key, option in known.items()
    }
    if settled["classes"] and settled["leave_out"]:
        raise ValueError("classes and leave_out exclude one another; remove one of them")
    return settled | own


def located(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The description with its root made absolute, taken from STUDY_DATA where it needs one and has none.

    An address stays as it is.

    So it is where the root of data that is known by its digest is not there, as on another machine.
    """
    root = dataset.get("root")
    if root is not None and is_elsewhere(root):
        return dict(dataset)
    if root is not None and "digest" in dataset and not Path(root).expanduser().exists():
        root = os.environ.get(VARIABLE) or root
    if root is None and get_source(dataset["name"]).needs_root:
        root = os.environ.get(VARIABLE) or None
    without = {key: value for key, value in dataset.items() if key != "root"}
    return without if root is None else without | {"root": str(Path(root).expanduser().absolute())}


def request_for(dataset: Mapping[str, Any], part: Any) -> Request:
    """A part of a data set as its source is asked for it; ValueError as `check_dataset` says."""
    root = located(dataset).get("root")
    name, options = dataset["name"], settled_options(dataset)
    if root is None and get_source(name).needs_root:
        raise MissingFilesError(name, "no folder is named", options)
    if root is not None and not Path(root).exists():
        raise MissingFilesError(name, f"no folder {root}", options)
    return Request(name, part, Path(root) if root is not None else None, options)


def files_are_there(dataset: Mapping[str, Any]) -> bool:
    """Whether files of both parts are found; whether they are whole is seen when they are read.

    Those at an address are taken to be there: who reads them says if not.
    """
    source = get_source(dataset["name"])
    if is_elsewhere(dataset.get("root") or ""):
        return True
    try:
        asked = [request_for(dataset, part) for part in ("pool", "test")]
        return not source.needs_root or all((source.first or source.files)(each) for each in asked)
    except (ValueError, OSError):
        return False


def missing_files(dataset: Mapping[str, Any]) -> str:
    """What to do where files of its pool are missing; nothing where they are found, or are wrong in another way."""
    source = get_source(dataset["name"])
    if is_elsewhere(dataset.get("root") or ""):
        return ""
    try:
        request = request_for(dataset, "pool")
        (source.first or source.files)(request)
    except MissingFilesError as problem:
        return how_to_get(problem)
    except (ValueError, OSError):  # which reading them says
        return ""
    return ""


def how_to_get(problem: MissingFilesError) -> str:
    """What to do where files are missing."""
    known = SOURCES.get(problem.name)
    fetch = ""
    if known is not None and known.fetch:
        given = {
            key: problem.options[key] for key, each in known.options.items() if problem.options[key] != each.default
        }
        options = "".join(f" --set {key}={json.dumps(value)}" for key, value in given.items())
        fetch = f", or run: study data fetch {problem.name} --data DIR{options}"
    return (
        f"data set '{problem.name}' needs files: {problem.said}; give --data DIR, set {VARIABLE} or dataset.root{fetch}"
    )
