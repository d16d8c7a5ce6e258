"""CIFAR-10 and CIFAR-100, as torchvision reads them: the pickled batches of the "python version"."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets.images import Decoded
from trainables.data.datasets.source import Request, Source, parsing

FOLDERS = {"CIFAR10": "cifar-10-batches-py", "CIFAR100": "cifar-100-python"}
FILES = {
    "CIFAR10": {"pool": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"], "names": ["batches.meta"]},
    "CIFAR100": {"pool": ["train"], "test": ["test"], "names": ["meta"]},
}
PLAIN = {("_codecs", "encode"), ("numpy", "dtype"), ("numpy", "ndarray")} | {
    (f"numpy.{package}.multiarray", name) for package in ("core", "_core") for name in ("_reconstruct", "scalar")
}


def source(title: str, class_name: str, classes: str) -> Source:
    """The data set that torchvision calls `class_name`, in the folder of its archive below the root, or the root."""

    def files(request: Request) -> list[Path]:
        folder = request.folder(FOLDERS[class_name], f"{request.name}/{FOLDERS[class_name]}")
        found = [folder / name for name in (*FILES[class_name][request.part], *FILES[class_name]["names"])]
        for path in found:
            if not path.is_file():
                raise request.missing(f"no {path.name} in {folder}")
        return found

    def read(request: Request) -> Decoded:
        from torchvision import datasets as theirs
        from torchvision.datasets.utils import check_integrity

        paths, cls = files(request), getattr(theirs, class_name)
        sums = dict([*cls.train_list, *cls.test_list, (cls.meta["filename"], cls.meta["md5"])])
        for path in paths:
            if request.synthetic:
                _check_plain(path)
            elif not check_integrity(str(path), sums[path.name]):
                raise ValueError(f"{path}: truncated or damaged: its checksum is not the published one; fetch it again")
        wanted = [(path.name, None) for path in paths[: -len(FILES[class_name]["names"])]]
        pool = request.part == "pool"

        # torchvision's class would look for both parts' files whichever is wanted; checksums were compared above
        lists = {"train_list": wanted if pool else [], "test_list": [] if pool else wanted}
        one_part = {**lists, "base_folder": paths[0].parent.name, "meta": cls.meta | {"md5": None}}
        with parsing(str(paths[0].parent)):
            data = type(class_name, (cls,), one_part)(str(paths[0].parent.parent), train=pool)
            images, labels = data.data.transpose(0, 3, 1, 2), np.array(data.targets, np.int64)
        return Decoded(images, labels, tuple(data.classes))

    def fetch(folder: Path, options: Mapping[str, Any]) -> None:
        from torchvision import datasets as theirs

        getattr(theirs, class_name)(str(folder), download=True)

    return Source(title, read, files, images="50,000 + 10,000", classes=classes, shape="3x32x32", fetch=fetch)


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PLAIN:
            raise pickle.UnpicklingError(f"it would call {module}.{name}, which plain arrays do not need")
        return super().find_class(module, name)


def _check_plain(path: Path) -> None:
    """Refuse a pickle that could run code: without checksums, nothing else says where it comes from."""
    with parsing(str(path)), path.open("rb") as file:
        _PlainUnpickler(file, encoding="latin1").load()


CIFAR10 = source("photographs of ten kinds of objects", "CIFAR10", "10")
CIFAR100 = source("photographs of a hundred kinds of objects, in 20 superclasses", "CIFAR100", "100")
