"""Folders of image files, one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets.draw import part_of_one
from trainables.data.datasets.image_files import ImageFiles, crop_of, files_below, first_below, relative_bytes
from trainables.data.datasets.images import Decoded
from trainables.data.datasets.options import OneOf, YesNo
from trainables.data.datasets.source import Request, Source
from trainables.described import Option, Whole

VALIDATION = ("val", "valid", "validation")

OPTIONS: dict[str, Option] = {
    "size": Whole(None, 1, "side of the square that is cut out of the centre; needed where sizes differ"),
    "resize": Whole(None, 1, "what the shorter side is resized to before; `size` where it is left out"),
    "channels": OneOf(3, (3, 1), "3 for RGB, 1 for grey"),
    "streamed": YesNo(False, "files are decoded as they are trained on, and not kept in memory; needs size"),
}


PARTS = ("train", "training", "val", "valid", "validation", "test", "testing")  # no names for classes


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """The image files of each class below `folder`, classes and files sorted by name.

    Raises ValueError for a folder without class folders, and for a class without images.
    """
    names = class_names(folder)
    if not names:
        raise ValueError(f"{folder}: no folders in it; images lie in one folder per class, {folder.name}/CLASS/*.png")
    found = {name: files_below(folder / name) for name in names}
    for name, files in found.items():
        if not files:
            raise ValueError(f"{folder / name}: a class without images; add some or remove the folder")
    return found


def class_names(folder: Path) -> list[str]:
    """The folders in `folder` by name."""
    return sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _folders(request: Request) -> dict[str, Path]:
    """The folders of a root by what they are for: `train`, `val`, `test`, or `all` where it is one to be split."""
    root = request.folder(request.name)
    if not (root / "train").is_dir():
        for name in class_names(root):
            if name.lower() in PARTS:
                raise ValueError(
                    f"{root / name}: is that a class, or a part? Parts are called train, val and test; rename it"
                )
        return {"all": root}
    val = next((root / name for name in VALIDATION if (root / name).is_dir()), None)
    test = root / "test" if (root / "test").is_dir() else None
    return {key: folder for key, folder in (("train", root / "train"), ("val", val), ("test", test)) if folder}


def part_folders(request: Request, folders: dict[str, Path]) -> list[Path]:
    """Which of them a part is read from."""
    if "all" in folders:
        return [folders["all"]]
    if request.part == "pool":
        return [folders[key] for key in ("train", "val") if key in folders]
    if "test" not in folders:
        raise request.missing(f"no folder 'test' beside {folders['train']}")
    return [folders["test"]]


def read_folders(request: Request, folders: dict[str, Path]) -> Decoded:
    """The part of `request`: the classes are the training folder's."""
    parts = [class_folders(folder) for folder in part_folders(request, folders)]
    base = folders.get("all", folders.get("train"))
    assert base is not None, "a root is split by us or has a training folder"
    names = tuple(class_names(base))
    if len(names) < 2:
        raise ValueError(f"{base}: one class, '{names[0]}'; a classifier needs at least 2")
    files: list[Path] = []
    labels: list[int] = []
    sizes = []
    for folder, part in zip(part_folders(request, folders), parts, strict=True):
        for name, found in part.items():
            if name not in names:
                raise ValueError(f"{folder / name}: no class of that name is in {base}; remove it, or add images there")
            files += found
            labels += [names.index(name)] * len(found)
        sizes.append(len(labels))
    all_labels = np.array(labels, np.int64)
    index = part_of_one(all_labels, request.part) if "all" in folders else np.arange(len(files))
    val_index = np.arange(sizes[0], sizes[1]) if len(sizes) == 2 else None
    root = next(iter(folders.values())) if "all" in folders else base.parent
    paths = relative_bytes(root, files)
    example = first_of_classes(base) or files[0]  # one of the training folder's, so that all parts get its size
    crop = crop_of(root, relative_bytes(root, [example]), **_geometry(request))
    images = ImageFiles(root, paths[index], crop)
    return Decoded(images, all_labels[index], names, val_index=val_index)


def _geometry(request: Request) -> dict[str, Any]:
    options = request.options
    if options["size"] is None and (options["resize"] is not None or options["streamed"]):
        raise ValueError(f"data set '{request.name}': streamed and resize need a size, as in size: 224")
    if options["size"] is not None and options["resize"] is not None and options["resize"] < options["size"]:
        raise ValueError(f"resize = {options['resize']} is less than size = {options['size']}; raise it")
    return {key: options[key] for key in ("size", "resize", "channels")}


def read(request: Request) -> Decoded:
    """`ROOT/train/CLASS/*.png`, with `ROOT/test/...` and, where it is there, `ROOT/val/...`; or `ROOT/CLASS/*.png`."""
    return read_folders(request, _folders(request))


def files(request: Request) -> list[Path]:
    """Every image file of the part's folders."""
    return [file for folder in part_folders(request, _folders(request)) for file in files_below(folder)]


def first(request: Request) -> Path | None:
    """A file of the part's first class."""
    folder = part_folders(request, _folders(request))[0]
    return first_of_classes(folder)


def first_of_classes(folder: Path) -> Path | None:
    """A file in the first folder below `folder`."""
    names = class_names(folder)
    return first_below(folder / names[0]) if names else None


SOURCE = Source("image files, one folder per class", read, files, first, options=OPTIONS)
