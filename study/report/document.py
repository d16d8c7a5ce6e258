"""What a report is made of: sections of blocks, before they become HTML, Markdown or LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Folded:
    """Paragraphs that a page shows when it is asked to."""

    title: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Bold:
    """A table's entry that stands out."""

    text: str


@dataclass(frozen=True)
class Link:
    """A table's entry that leads to an address."""

    text: str
    address: str


Entry = str | Bold | Link


@dataclass(frozen=True)
class Table:
    """A table with a file name of its own. `align` has a letter for each column, `l` or `r`, as LaTeX has it.

    A page shows a `folded` table when it is asked to.
    """

    name: str
    title: str
    align: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str = ""
    folded: bool = False

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) == len(self.align) for row in self.rows), self.name


@dataclass(frozen=True)
class Picture:
    """A figure with a file name of its own; `caption` says what it shows and how to read it."""

    name: str
    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Listing:
    """A text as it was written, such as a study file."""

    title: str
    text: str


Block = Paragraph | Items | Folded | Table | Picture | Listing


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def anchor(self) -> str:
        """What links to it are called."""
        return slug(self.title)


@dataclass(frozen=True)
class Document:
    """A whole report. `banner` is what a reader has to know before anything else."""

    title: str
    description: str
    written: str
    sections: tuple[Section, ...]
    banner: str = ""

    @property
    def tables(self) -> list[Table]:
        """Every table, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Table)]

    @property
    def pictures(self) -> list[Picture]:
        """Every picture, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Picture)]


def slug(text: str) -> str:
    """`digits-uniform-0.4-small_cnn`, which is a file's name as well."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.").lower()


def entry_text(entry: Entry) -> str:
    """An entry without its weight or address."""
    return entry if isinstance(entry, str) else entry.text
