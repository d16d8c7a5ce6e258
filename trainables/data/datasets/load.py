"""Parts of data sets, decoded once and found again: by their digest, or by the files that they were read from.

A decoded part lies in `CACHE/datasets/NAME-PART-DIGEST/`. `CACHE/datasets/sources/HASH.json` says which digest the
files of a root came to, by name, options, and every file's size and time of change: as long as they stay the same,
nothing is decoded or hashed again.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets.catalogue import get_source, how_to_get, located, request_for
from trainables.data.datasets.cut import cut
from trainables.data.datasets.elsewhere import fetched, is_elsewhere
from trainables.data.datasets.image_files import Crop, ImageFiles
from trainables.data.datasets.images import Decoded, Images
from trainables.data.datasets.own import code_of
from trainables.data.datasets.source import MissingFilesError, Part, Request
from trainables.data.store import Arrays, cached_arrays, content_hash
from trainables.own import is_own

FORMAT = 3  # raised when decoding changes, so that stale arrays are not read


def load_pool(dataset: Mapping[str, Any], cache: Path) -> Images:
    """The images that a study may train and validate on.

    `dataset` has `name`, and may have `root`, options, and the `digest` that the pool is known by: then it is found in
    the cache without its files. Raises ValueError for an unknown name or option, files that are missing or damaged
    (naming them), and for data that has another digest than it should have.
    """
    planned = dataset.get("digest")
    folder = _folder(dataset["name"], "pool", planned or "", cache)
    if planned and (folder / "facts.json").is_file():
        found = _kept(dataset, folder)
        if found is not None:
            return found
    pool = _load(dataset, "pool", cache)
    if planned and planned != pool.digest:
        raise ValueError(
            f"data set '{dataset['name']}' has digest {pool.digest}, "
            f"the trial was planned with {planned}: the data has changed"
        )
    return pool


def load_test(dataset: Mapping[str, Any], cache: Path) -> Images:
    """The test images: to judge what was chosen, never to choose.

    Raises as `load_pool`, and where they are the pool's: the one of `digest`, or what a user's own code gives as pool.
    """
    test = _load(dataset, "test", cache)
    pools = [dataset.get("digest")]
    if is_own(dataset["name"]):
        pools.append(load_pool(_whole(dataset), cache).digest)
    if test.digest in pools:
        raise ValueError(same_parts(test))
    return test


def same_parts(test: Images) -> str:
    """What to say where test images are the pool's."""
    return (
        f"data set '{test.name}': its test images are those of its pool, with the same labels (digest {test.digest}): "
        "a test on them tests nothing; give it a test part of its own"
    )


def _load(dataset: Mapping[str, Any], part: Part, cache: Path) -> Images:
    name = dataset["name"]
    source = get_source(name)
    if is_elsewhere(dataset.get("root") or ""):
        dataset = {**dataset, "root": str(fetched(dataset["root"], cache))}
    with _files_of(name):
        request = request_for(dataset, part)
        index = cache / "datasets" / "sources" / f"{_listing_hash(request, source.files(request))}.json"
    if index.is_file():
        found = _kept(dataset, _folder(name, part, json.loads(index.read_text())["digest"], cache))
        if found is not None:
            return found
    with _files_of(name):
        decoded = source.read(request)
    if decoded.class_names is None:
        decoded = replace(decoded, class_names=_counted(dataset, decoded, part, cache))
    _check(decoded, name, part)
    images = _keep(cut(decoded, request.options, part), request, cache)
    _note(index, images.digest)
    return images


@contextmanager
def _files_of(name: str) -> Iterator[None]:
    """Say in one line what is wrong with the files of a data set."""
    try:
        yield
    except MissingFilesError as problem:
        raise ValueError(how_to_get(problem)) from None
    except OSError as problem:
        raise ValueError(f"data set '{name}': {problem.filename}: {problem.strerror}; make it readable") from None


def _counted(dataset: Mapping[str, Any], decoded: Decoded, part: Part, cache: Path) -> tuple[str, ...]:
    """Names for classes that have none: as many as the labels of the pool say, ValueError where they leave a gap."""
    if part == "pool":
        count = int(decoded.labels.max(initial=-1)) + 1
        if len(missing := np.setdiff1d(np.arange(count), decoded.labels)):
            raise ValueError(
                f"data set '{dataset['name']}', pool: class {missing[0]} is without images, of the labels up to "
                f"{count - 1}; number classes 0, 1, 2, ... or name all of them in `classes`"
            )
        return tuple(map(str, range(count)))
    whole = {key: value for key, value in _whole(dataset).items() if key not in ("classes", "leave_out")}
    return load_pool(whole, cache).class_names


def _whole(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """A data set whose pool is not cut to a number of images."""
    return {key: value for key, value in dataset.items() if key not in ("limit", "digest")}


def _check(decoded: Decoded, name: str, part: Part) -> None:
    """ValueError for a part without images, of an unusual shape, or with labels that are not its classes'."""
    assert decoded.class_names is not None, "classes were named before"
    images, labels, classes = decoded.images, decoded.labels, len(decoded.class_names)
    where = f"data set '{name}', {part}"
    if len(labels) == 0:
        raise ValueError(f"{where}: no images")
    if len(images) != len(labels):
        raise ValueError(f"{where}: {len(images)} images and {len(labels)} labels; every image needs one")
    if len(images.shape) != 4 or images.dtype != np.uint8:
        raise ValueError(f"{where}: {images.dtype} {list(images.shape)}; wanted are uint8 images [N, channels, h, w]")
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"{where}: label {wrong} is none of its {classes} classes, 0 to {classes - 1}")


def _keep(decoded: Decoded, request: Request, cache: Path) -> Images:
    """The part as it lies in the cache from now on."""
    assert decoded.class_names is not None, "classes were named before"
    arrays: Arrays = {"labels": decoded.labels}
    facts: dict[str, Any] = {
        "class_names": decoded.class_names, "ordered": decoded.ordered, "synthetic": request.synthetic
    }  # fmt: skip
    split = "" if decoded.val_index is None else decoded.val_index
    if decoded.val_index is not None:
        arrays["val_index"] = decoded.val_index
    files = decoded.images
    if isinstance(files, ImageFiles) and request.options.get("streamed"):
        crop = files.crop
        facts["crop"] = [crop.channels, crop.height, crop.width, crop.resize]
        arrays["paths"] = files.paths
        inside = str(files.root.relative_to(request.place))
        facts["inside"] = inside
        with _files_of(request.name):
            content: tuple[Any, ...] = (facts["crop"], files.digest())
    else:
        arrays["images"] = np.ascontiguousarray(files[:])
        content = (arrays["images"],)
    digest = content_hash(*content, decoded.labels, decoded.class_names, split)
    folder = _folder(request.name, request.part, digest, cache)
    cached_arrays(folder, lambda: (arrays, facts | {"digest": digest}))
    kept = _kept({"name": request.name, "root": request.root}, folder)
    assert kept is not None, "it was written a moment ago"
    return kept


def _kept(dataset: Mapping[str, Any], folder: Path) -> Images | None:
    """What lies in a folder of the cache; None where there is nothing, or streamed files have no root."""
    if not (folder / "facts.json").is_file():
        return None
    arrays, facts = cached_arrays(folder, dict)  # type: ignore[arg-type]  # never called: the folder is there
    images: Any = arrays.get("images")
    if images is None:
        root = located(dataset).get("root")
        if root is None or not Path(root, facts["inside"]).is_dir():
            return None
        images = ImageFiles(Path(root, facts["inside"]), np.array(arrays["paths"]), Crop(*facts["crop"]))
    return Images(
        dataset["name"], images, arrays["labels"], tuple(facts["class_names"]), facts["digest"],
        facts["ordered"], facts["synthetic"], arrays.get("val_index"),
    )  # fmt: skip


def _folder(name: str, part: Part, digest: str, cache: Path) -> Path:
    return cache / "datasets" / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{part}-{digest}"


def _listing_hash(request: Request, files: list[Path]) -> str:
    """Depends on every file's place, size and time of change, on the options, and on a reader's own source."""
    listing = []
    for path in files:
        found = path.stat()
        listing.append([str(path), found.st_size, found.st_mtime_ns])
    code = code_of(request.name) if is_own(request.name) else ""
    options = dict(sorted(request.options.items()))
    root = str(request.root.resolve()) if request.root is not None else None
    return content_hash(FORMAT, request.name, request.part, root, request.synthetic, options, code, listing)


def _note(index: Path, digest: str) -> None:
    index.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=".", dir=index.parent)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"digest": digest}, file)
    os.chmod(draft, 0o644)  # a cache may be shared by several users; mkstemp is for one
    os.replace(draft, index)
