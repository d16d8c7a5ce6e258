"""MNIST and Fashion-MNIST, as torchvision reads them: four IDX files, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import shutil
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.data.datasets.images import Decoded
from trainables.data.datasets.source import Request, Source, parsing

CLASSES = {
    "MNIST": tuple("0123456789"),
    "FashionMNIST": ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                     "Ankle boot"),
}  # fmt: skip
UINT8 = 8  # as IDX files call the type of their elements
PREFIX = {"pool": "train", "test": "t10k"}


def file_names(part: str) -> tuple[str, str]:
    """The names of a part's images and labels."""
    return f"{PREFIX[part]}-images-idx3-ubyte", f"{PREFIX[part]}-labels-idx1-ubyte"


def source(title: str, class_name: str) -> Source:
    """The data set that torchvision calls `class_name`, in `ROOT/class_name/raw`, `ROOT/raw` or `ROOT`."""

    def files(request: Request) -> list[Path]:
        folder = request.folder(f"{class_name}/raw", f"{request.name}/{class_name}/raw", "raw", request.name)
        found = []
        for name in file_names(request.part):
            here = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
            if not here:
                raise request.missing(f"no {name} in {folder}")
            found.append(here[0])
        return found

    def read(request: Request) -> Decoded:
        from torchvision import datasets as theirs

        paths = files(request)
        cls = getattr(theirs, class_name)
        for path in paths:
            if path.suffix == ".gz" and not request.synthetic:
                _check_sum(path, dict(cls.resources)[path.name])
        with tempfile.TemporaryDirectory() as scratch:
            raw = paths[0].parent
            if any(path.suffix == ".gz" for path in paths):  # torchvision reads only what is unpacked
                raw = Path(scratch)
            for path in paths:
                plain = raw / path.name.removesuffix(".gz")
                with parsing(str(path)):
                    if plain != path:
                        _unpack(path, plain)
                    _check_whole(plain)

            # torchvision's class would look for both parts' files whichever is wanted
            one_part = {"raw_folder": str(raw), "resources": [(f"{name}.gz", "") for name in file_names(request.part)]}
            with parsing(" and ".join(map(str, paths))):
                data = type("OnePart", (cls,), one_part)(str(raw), train=request.part == "pool")
                images, labels = data.data.numpy()[:, None], data.targets.numpy()
        return Decoded(images, labels, CLASSES[class_name])

    def fetch(folder: Path, options: Mapping[str, Any]) -> None:
        from torchvision import datasets as theirs

        getattr(theirs, class_name)(str(folder), download=True)

    return Source(title, read, files, images="60,000 + 10,000", classes="10", shape="1x28x28", fetch=fetch)


def _unpack(path: Path, plain: Path) -> None:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as packed, plain.open("wb") as file:
        shutil.copyfileobj(packed, file)


def _check_whole(plain: Path) -> None:
    """ValueError for a file that is not as long as its first bytes say: torchvision's own words name neither."""
    dimensions = 3 if "-idx3-" in plain.name else 1
    with plain.open("rb") as file:
        head = file.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes([0, 0, UINT8, dimensions]):
        raise ValueError(f"it does not begin as an IDX file of bytes in {dimensions} dimensions does")
    size, wanted = plain.stat().st_size, len(head) + math.prod(struct.unpack(f">{dimensions}I", head[4:]))
    if size != wanted:
        raise ValueError(f"it has {size:,} bytes, its beginning says {wanted:,}")


def _check_sum(path: Path, md5: str) -> None:
    from torchvision.datasets.utils import check_integrity

    if not check_integrity(str(path), md5):
        raise ValueError(f"{path}: truncated or damaged: its checksum is not the published one; fetch it again")


MNIST = source("handwritten digits", "MNIST")
FASHION_MNIST = source("articles of clothing", "FashionMNIST")
