"""Photographs of faces with the age as class, in the two forms in which such data is published."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from trainables.data.datasets.draw import part_of_one
from trainables.data.datasets.image_files import ImageFiles, crop_of, files_below, first_below, relative_bytes
from trainables.data.datasets.images import Decoded
from trainables.data.datasets.options import OneOf
from trainables.data.datasets.source import Request, Source
from trainables.described import Whole

BY_NAME = re.compile(r"(\d{1,3})_")


def files(request: Request) -> list[Path]:
    """Every image file below `ROOT/ages` or `ROOT`."""
    return files_below(request.folder(request.name))


def read(request: Request) -> Decoded:
    """`25_0_2_2017.jpg`, as UTKFace names its files, or `18/111/1.jpg`, as AFAD lays out its folders.

    The classes are the ages from 1 to `oldest`, older faces left out; without it, the ages that occur. A stratified
    fifth, always the same, is the test set. Raises ValueError for a file that says no age.
    """
    root = request.folder(request.name)
    found = files(request)
    if not found:
        raise request.missing(f"no images in {root}")
    by_folder = all(_by_folder(path, root) for path in found)
    ages = np.array([_age(path, root, by_folder) for path in found], np.int64)
    oldest = request.options["oldest"]
    kept = np.flatnonzero((ages >= 1) & (ages <= (oldest or ages.max())))
    classes = np.arange(1, oldest + 1) if oldest else np.unique(ages[kept])
    if (present := len(np.unique(ages[kept]))) < 2:
        raise ValueError(f"{root}: {present} ages up to {oldest or ages.max()}; at least 2 are needed")
    labels = np.searchsorted(classes, ages[kept])
    index = part_of_one(labels, request.part)
    paths = relative_bytes(root, found)[kept][index]
    options = request.options
    crop = crop_of(root, paths[:1], size=options["size"], resize=None, channels=options["channels"])
    return Decoded(ImageFiles(root, paths, crop), labels[index], tuple(map(str, classes)), ordered=True)


def _by_folder(path: Path, root: Path) -> bool:
    return path.parent != root and path.relative_to(root).parts[0].isdecimal()


def _age(path: Path, root: Path, by_folder: bool) -> int:
    if by_folder:
        return int(path.relative_to(root).parts[0])
    if said := BY_NAME.match(path.name):
        return int(said[1])
    raise ValueError(
        f"{path}: no age: its name begins with one, 25_0_2.jpg, or its folder is one, 25/0/2.jpg; remove it"
    )


def first(request: Request) -> Path | None:
    """A file whose age can be told."""
    root = request.folder(request.name)
    found = first_below(root)
    return found if found is not None and (BY_NAME.match(found.name) or _by_folder(found, root)) else None


SOURCE = Source(
    "faces by age, ordered classes (UTKFace, AFAD)", read, files, first,
    images="20,000 to 160,000", classes="61 to 116", shape="3x60x60",
    options={
        "size": Whole(60, 1, "images are resized and cut to squares of that side"),
        "oldest": Whole(None, 2, "classes are the ages from 1 to this; without it, those that occur"),
        "channels": OneOf(3, (3, 1), "3 for RGB, 1 for grey"),
    },
)  # fmt: skip
