"""ImageNet (ILSVRC 2012) as folders of JPEG files, streamed because it does not fit into memory."""

from __future__ import annotations

from pathlib import Path

from trainables.data.datasets.image_files import files_below
from trainables.data.datasets.image_folder import OPTIONS, first_of_classes, part_folders, read_folders
from trainables.data.datasets.images import Decoded
from trainables.data.datasets.options import YesNo
from trainables.data.datasets.source import Request, Source
from trainables.described import Whole


def _folders(request: Request) -> dict[str, Path]:
    root = request.folder("imagenet", "ILSVRC2012")
    folders = {"train": root / "train", "test": root / "val"}
    folder = folders["train" if request.part == "pool" else "test"]
    if not folder.is_dir():
        raise request.missing(f"no folder '{folder.name}' in {root}")
    return folders


def read(request: Request) -> Decoded:
    """`ROOT/train/CLASS/*.JPEG`, and as test set the 50,000 of `ROOT/val/CLASS/*.JPEG`, as the field has it."""
    return read_folders(request, _folders(request))


def files(request: Request) -> list[Path]:
    """Every image file of the part's folder."""
    return [file for folder in part_folders(request, _folders(request)) for file in files_below(folder)]


def first(request: Request) -> Path | None:
    """A file of the part's first class."""
    return first_of_classes(part_folders(request, _folders(request))[0])


SOURCE = Source(
    "photographs of a thousand kinds of objects (ILSVRC 2012)", read, files, first,
    images="1,281,167 + 50,000", classes="1000", shape="3x224x224",
    options=OPTIONS | {
        "size": Whole(224, 1, OPTIONS["size"].meaning),
        "resize": Whole(256, 1, OPTIONS["resize"].meaning),
        "streamed": YesNo(True, OPTIONS["streamed"].meaning),
    },
)  # fmt: skip
