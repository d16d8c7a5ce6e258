"""Data sets by name, decoded once into uint8 images `[N, channels, height, width]` and int64 labels `[N]`.

    load_pool({"name": "cifar10", "root": "/data", "limit": 5000}, cache)

`catalogue.py` lists them; each kind of source has a file, which reads its real format: `digits.py`, `idx.py`,
`cifar.py`, `svhn.py`, `image_folder.py`, `imagenet.py`, `npz.py`, `ages.py`, and `own.py` for those
named by import path. `load.py` keeps what was decoded. Torchvision and PIL are imported where something is decoded.
"""

from trainables.data.datasets.catalogue import (
    SOURCES,
    check_dataset,
    files_are_there,
    get_source,
    located,
    missing_files,
    option_names,
    settled_options,
    takes_root,
)
from trainables.data.datasets.image_files import ImageFiles
from trainables.data.datasets.images import Images
from trainables.data.datasets.load import load_pool, load_test

__all__ = [
    "SOURCES", "ImageFiles", "Images", "check_dataset", "files_are_there", "get_source", "load_pool", "load_test",
    "located", "missing_files", "option_names", "settled_options", "takes_root",
]  # fmt: skip
