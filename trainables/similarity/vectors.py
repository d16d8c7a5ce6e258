"""Word vectors of a few words out of a large file: word2vec's text and binary formats, plain or gzip."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

CHUNK = 1 << 22
LONGEST = 1 << 16  # numbers of a vector


def read_vectors(path: str | Path, words: Collection[str]) -> dict[str, np.ndarray]:
    """The vectors `[D]` of those of `words` that the file has, float32.

    The text format is a line `COUNT D` (which GloVe's files lack) and then a word and D numbers a line. The binary one
    is that line and then, COUNT times, a word, a space and D float32 numbers. The file is read once, piece by piece.
    Raises ValueError where it is neither, or ends too early.
    """
    path, wanted = Path(path), {word.encode(): word for word in words}
    with _opened(path) as file:
        first = file.readline(CHUNK)
        header = first.split()
        if len(header) == 2 and all(part.isdigit() for part in header):
            count, size = int(header[0]), int(header[1])
            if not 0 < size <= LONGEST:
                raise ValueError(f"{path} is no word2vec file: vectors of {header[1].decode()[:20]} numbers")
            start = file.read(CHUNK)
            if _is_text(start, size):
                return dict(_text(_lines(start, file), size, wanted, path))
            return dict(_binary(start, file, count, size, wanted, path))
        size = len(header) - 1
        if size < 1 or not _is_text(first, size):
            raise ValueError(f"{path} is no word2vec file: its first line is neither 'COUNT SIZE' nor a word's vector")
        return dict(_text(_lines(first, file), size, wanted, path))


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            yield file
            return
        with gzip.open(file) as unpacked:
            try:
                yield unpacked  # type: ignore[misc]  # a BinaryIO in all but name
            except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
                raise ValueError(f"{path} is damaged: {problem}") from None


def _is_text(start: bytes, size: int) -> bool:
    """Whether the first line is a word and `size` numbers."""
    fields = start.split(b"\n", 1)[0].split()
    try:
        return len(fields) == size + 1 and bool(np.isfinite(np.array(fields[1:], dtype=np.float64)).all())
    except ValueError:
        return False


def _lines(start: bytes, file: BinaryIO) -> Iterator[bytes]:
    whole, _, rest = start.rpartition(b"\n")
    yield from whole.split(b"\n")
    yield rest + file.readline(CHUNK)
    yield from iter(lambda: file.readline(CHUNK), b"")


def _text(lines: Iterator[bytes], size: int, wanted: dict[bytes, str], path: Path) -> Iterator[tuple[str, np.ndarray]]:
    for line in lines:
        word = line[: line.find(b" ")]
        if word in wanted:
            try:
                with np.errstate(over="ignore"):  # what float32 does not hold is infinite, and refused by its user
                    yield wanted[word], np.array(line.split()[1:], dtype=np.float32).reshape(size)
            except ValueError:
                raise ValueError(f"{path}: the vector of '{wanted[word]}' is not {size} numbers") from None


def _binary(
    start: bytes, file: BinaryIO, count: int, size: int, wanted: dict[bytes, str], path: Path
) -> Iterator[tuple[str, np.ndarray]]:
    buffer, position, width = start, 0, 4 * size
    for number in range(count):
        space = buffer.find(b" ", position)
        if space < 0 or space + 1 + width > len(buffer):
            buffer, position = buffer[position:] + file.read(CHUNK + width), 0
            space = buffer.find(b" ")
            if space < 0 or space + 1 + width > len(buffer):
                raise ValueError(f"{path} ends in word {number + 1} of {count}: it is cut short, or no word2vec file")
        word = buffer[position:space].lstrip(b"\n")  # some writers end each vector with a newline
        position = space + 1 + width
        if word in wanted:
            yield wanted[word], np.frombuffer(buffer, "<f4", size, space + 1).copy()
