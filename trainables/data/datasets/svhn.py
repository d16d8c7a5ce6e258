"""Street View House Numbers, as torchvision reads them: MATLAB files of cropped digits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets.images import Decoded
from trainables.data.datasets.options import YesNo
from trainables.data.datasets.source import Request, Source, parsing


def _splits(request: Request) -> list[str]:
    if request.part == "test":
        return ["test"]
    return ["train", "extra"] if request.options["extra"] else ["train"]


def files(request: Request) -> list[Path]:
    """`train_32x32.mat` and its siblings, in `ROOT/svhn`, `ROOT/SVHN` or `ROOT`."""
    folder = request.folder("svhn", "SVHN")
    found = [folder / f"{split}_32x32.mat" for split in _splits(request)]
    for path in found:
        if not path.is_file():
            raise request.missing(f"no {path.name} in {folder}")
    return found


def read(request: Request) -> Decoded:
    """73,257 training images, with `extra` 531,131 easier ones behind them; 26,032 test images."""
    from torchvision import datasets as theirs
    from torchvision.datasets.utils import check_integrity

    parts = []
    for split, path in zip(_splits(request), files(request), strict=True):
        url, name, md5 = theirs.SVHN.split_list[split]
        if not request.synthetic and not check_integrity(str(path), md5):
            raise ValueError(f"{path}: truncated or damaged: its checksum is not the published one; fetch it again")

        class Checked(theirs.SVHN):
            """torchvision's class without a second reading for the checksum."""

            split_list = {split: [url, name, None]}  # noqa: RUF012  (overrides theirs, which is one of the class too)

        with parsing(str(path)):
            data = Checked(str(path.parent), split=split)
            parts.append((np.ascontiguousarray(data.data), np.atleast_1d(data.labels).astype(np.int64)))
    images, labels = (np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for arrays in zip(*parts, strict=True))
    return Decoded(images, labels, tuple("0123456789"))


def fetch(folder: Path, options: Mapping[str, Any]) -> None:
    """Download its files into a folder; `extra` is 1.3 GB more."""
    from torchvision import datasets as theirs

    for split in ("train", "test", *(["extra"] if options["extra"] else [])):
        theirs.SVHN(str(folder), split=split, download=True)


SOURCE = Source(
    "digits of house numbers", read, files, images="73,257 (+ 531,131) + 26,032", classes="10", shape="3x32x32",
    options={"extra": YesNo(False, "the 531,131 extra images are trained on too")}, fetch=fetch,
)  # fmt: skip
