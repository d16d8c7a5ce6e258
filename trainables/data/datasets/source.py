"""What a kind of data set has to say of itself, and how it is asked for a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainables.data.datasets.images import Decoded
from trainables.described import Option

Part = Literal["pool", "test"]
MARK = "SYNTHETIC"  # a file of this name beside the data: made by a program, checksums do not hold


@dataclass(frozen=True)
class Request:
    """One part of a data set: its name, where its files lie (a folder or a file), all options with their values."""

    name: str
    part: Part
    root: Path | None
    options: Mapping[str, Any]

    @property
    def place(self) -> Path:
        """Where the files lie."""
        assert self.root is not None, "asked for only by sources whose files were looked for"
        return self.root

    @property
    def synthetic(self) -> bool:
        """Whether the files are marked as made by a program."""
        if self.root is None:
            return False
        folder = self.root if self.root.is_dir() else self.root.parent
        return (folder / MARK).is_file()

    def folder(self, *names: str) -> Path:
        """The first of `names` below the root that is there, or the root itself; ValueError where the root is none."""
        if not self.place.is_dir():
            kind = "is a file" if self.place.is_file() else "is not there"
            raise self.missing(f"{self.place} {kind}, not a folder" if self.place.is_file() else f"{self.place} {kind}")
        return next((self.place / name for name in names if (self.place / name).is_dir()), self.place)

    def missing(self, said: str) -> MissingFilesError:
        """What to raise where its files are not found."""
        return MissingFilesError(self.name, said, self.options)


@dataclass(frozen=True)
class Source:
    """A kind of data set.

    `read` decodes a part; `files` lists all files that a part is read from, and reads none of them. Both raise
    ValueError for what is wrong with the files. Neither looks at test images or test labels for the pool. `first` is
    one of the files, found quickly where they are many, or None. `images`, `classes` and `shape` say what the real
    data has, as text for a list; `fetch` downloads it into a folder.
    """

    title: str
    read: Callable[[Request], Decoded]
    files: Callable[[Request], list[Path]]
    first: Callable[[Request], Path | None] | None = None
    images: str = "any"
    classes: str = "any"
    shape: str = "any"
    options: Mapping[str, Option] = field(default_factory=dict)
    needs_root: bool = True
    fetch: Callable[[Path, Mapping[str, Any]], None] | None = None


class MissingFilesError(ValueError):
    """The files of a data set are not where they were looked for."""

    def __init__(self, name: str, said: str, options: Mapping[str, Any]) -> None:
        super().__init__(said)
        self.name, self.said, self.options = name, said, options


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Turn whatever somebody else's parser raises into one line about `what` it was parsing."""
    try:
        yield
    except Exception as problem:  # a parser of damaged bytes may raise anything
        if isinstance(problem, OSError) and problem.strerror:
            raise ValueError(f"{what}: cannot be read: {problem.strerror}; make it readable") from None
        said = " ".join(str(problem).split())[:200] or type(problem).__name__
        raise ValueError(f"{what}: truncated or damaged: {said}; fetch it again") from None
