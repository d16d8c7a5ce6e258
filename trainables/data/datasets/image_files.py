"""Image files as an array that decodes what it is indexed with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
SAMPLE, ENDS = 256, 4096  # files whose contents stand for those of all, bytes at either end of each


@dataclass(frozen=True)
class Crop:
    """What is made of a file: the shorter side is resized to `resize` (bilinear), then the centre is cut out.

    `height` and `width` are the result's; without a `resize` the file must have that size already. `channels` is 3
    (RGB) or 1 (grey).
    """

    channels: int
    height: int
    width: int
    resize: int | None


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Files below `root` as uint8 `[N, channels, height, width]`; can be pickled, and read by many processes at once.

    `files[i]` is one image, `files[[i, j]]` and `files[i:j]` are several. Raises ValueError that names the file for
    one that cannot be decoded. `paths` are relative, as bytes, `[N]`.
    """

    root: Path
    paths: np.ndarray
    crop: Crop

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), self.crop.channels, self.crop.height, self.crop.width

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def __getitem__(self, index: Any) -> np.ndarray:
        chosen = self.paths[index]
        if isinstance(chosen, bytes):
            return decode(self.root / os.fsdecode(chosen), self.crop)
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for place, path in enumerate(chosen):
            images[place] = decode(self.root / os.fsdecode(path), self.crop)
        return images

    def taken(self, index: np.ndarray) -> ImageFiles:
        """The files at `index`, none of them decoded."""
        return ImageFiles(self.root, self.paths[index], self.crop)

    def digest(self) -> str:
        """Hex digits that depend on every file's path and size, and of 256 files, evenly spread, on the first and last
        4 KiB: a hundred gigabytes are not read to launch a study. Raises OSError."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(b"%s\0%d\0" % (path, os.stat(self.root / os.fsdecode(path)).st_size))
        for index in np.unique(np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).round().astype(np.int64)):
            with open(self.root / os.fsdecode(self.paths[index]), "rb") as file:
                digest.update(file.read(ENDS))
                file.seek(max(file.tell(), os.fstat(file.fileno()).st_size - ENDS))
                digest.update(file.read(ENDS))
        return digest.hexdigest()


def decode(path: Path, crop: Crop, remedy: str = "remove it") -> np.ndarray:
    """The image in a file, uint8 `[channels, height, width]`; ValueError where it is none, or of another size.

    `remedy` is what its user is told to do about a file that is no image.
    """
    from PIL import Image

    with opened(path, remedy) as image:
        if image.mode.startswith("I") or image.mode == "F":  # PIL would make white of whatever is over 255
            raise ValueError(
                f"{path}: its pixels have more than 8 bits (PIL's mode {image.mode}); convert it to 8 bits, by the "
                "scale that suits the data (value / 257 where white is 65535)"
            )
        try:
            pixels = image.convert("L" if crop.channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError) as problem:
            raise ValueError(f"{path}: a damaged image: {problem}; restore or {remedy}") from None
    width, height = pixels.size
    if crop.resize is not None and min(width, height) != crop.resize:
        scale = crop.resize / min(width, height)
        width, height = max(crop.resize, round(width * scale)), max(crop.resize, round(height * scale))
        pixels = pixels.resize((width, height), Image.Resampling.BILINEAR)
    if crop.resize is None and (height, width) != (crop.height, crop.width):
        raise ValueError(
            f"{path}: {width}x{height} pixels, others have {crop.width}x{crop.height}; give a size for all, "
            f"as in size: {min(crop.width, crop.height)}"
        )
    left, top = (width - crop.width) // 2, (height - crop.height) // 2
    pixels = pixels.crop((left, top, left + crop.width, top + crop.height))
    array = np.array(pixels, np.uint8)
    return array[None] if crop.channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def opened(path: Path, remedy: str = "remove it") -> Any:
    """The file at `path` as a PIL image, its pixels still unread; ValueError with the `remedy` where it is none."""
    from PIL import Image

    try:
        return Image.open(path)
    except OSError as problem:  # PIL's own UnidentifiedImageError is one, and has no strerror
        raise ValueError(f"{path}: not a readable image: {problem.strerror or 'unknown format'}; {remedy}") from None
    except (ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise ValueError(f"{path}: not a readable image: {problem}; {remedy}") from None


def crop_of(root: Path, paths: np.ndarray, *, size: int | None, resize: int | None, channels: int) -> Crop:
    """How files are decoded: to `size` pixels square where that is given, else to the size of the first of them."""
    if size is not None:
        return Crop(channels, size, size, resize or size)
    with opened(root / os.fsdecode(paths[0])) as image:
        width, height = image.size
    return Crop(channels, height, width, None)


def files_below(folder: Path) -> list[Path]:
    """Every image file below `folder`, sorted by name; what is hidden, and what is no image by its ending, is not."""
    return list(_walk(folder))


def first_below(folder: Path) -> Path | None:
    """The first of them, found without looking at the others."""
    return next(_walk(folder), None)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(parent, name)


def _refuse(problem: OSError) -> None:
    raise problem


def relative_bytes(root: Path, files: Sequence[Path]) -> np.ndarray:
    """Paths as `ImageFiles` keeps them."""
    cut = len(os.fsencode(root)) + 1
    return np.array([os.fsencode(file)[cut:] for file in files], dtype=np.bytes_)
