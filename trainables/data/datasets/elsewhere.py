"""Files of a data set that lie in a bucket, fetched once by each machine."""

from __future__ import annotations

import json
from pathlib import Path

from trainables.data.store import alone, content_hash
from trainables.storage import Storage

LISTING = ".listing.json"


def is_elsewhere(root: str | Path) -> bool:
    """Whether a root is no path of this machine but an address, `s3://BUCKET/FOLDER`."""
    return "://" in str(root)


def fetched(root: str, cache: Path) -> Path:
    """The folder of this machine with all files that lie below the address `root`, brought level where they changed.

    A file has changed where its size or its time is another. ValueError where there are none, or they cannot be had.
    """
    storage = Storage(root)
    folder = cache / "datasets" / "fetched" / content_hash(root)
    try:
        with alone(folder):
            folder.mkdir(exist_ok=True)
            there = storage.listing()
            if not there:
                raise ValueError(f"{root}: no files; name the bucket and folder that hold the data set's")
            listing = folder / LISTING
            here = json.loads(listing.read_text()) if listing.is_file() else {}
            for name in here.keys() - there.keys():
                (folder / name).unlink(missing_ok=True)
            for name, facts in there.items():
                if here.get(name) != facts or not (folder / name).is_file():
                    storage.fetch(name, folder / name)
            if here != there:
                listing.write_text(json.dumps(there))
    except OSError as problem:
        raise ValueError(
            f"{root} cannot be read: {problem}; are AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL right?"
        ) from None
    return folder
