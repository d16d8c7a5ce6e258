"""A report as Markdown, its figures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from study.report.document import Block, Bold, Document, Entry, Folded, Items, Link, Listing, Paragraph, Picture, Table


def markdown(document: Document) -> str:
    """The whole report."""
    lines = [f"# {_plain(document.title)}", f"*{_plain(document.written)}*"]
    lines += [_plain(document.description)] if document.description else []
    lines += [f"> **{_plain(document.banner)}**"] if document.banner else []
    for section in document.sections:
        lines.append(f"## {section.title}")
        lines += [text for block in section.blocks for text in _block(block)]
    return "\n\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield _plain(text)
        case Items(texts):
            yield "\n".join(f"- {_plain(text)}" for text in texts)
        case Folded(title, texts):
            yield f"{_plain(title)}:"
            yield "\n".join(f"- {_plain(text)}" for text in texts)
        case Table():
            yield f"**{_plain(block.title)}**"
            yield _table(block)
            if block.note:
                yield _plain(block.note)
        case Picture():
            yield f"![{_plain(block.title)}](figures/{block.name}.svg)"
            yield f"**{_plain(block.title)}.** {_plain(block.caption)}"
        case Listing(title, text):
            fence = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])
            yield f"{_plain(title)}:"
            yield f"{fence}yaml\n{text.rstrip()}\n{fence}"


def _table(table: Table) -> str:
    rule = ["---:" if letter == "r" else ":---" for letter in table.align]
    rows = [
        [_plain(column) for column in table.columns],
        rule,
        *([_entry(entry) for entry in row] for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _entry(entry: Entry) -> str:
    if isinstance(entry, Link):
        return f"[{_plain(entry.text)}]({entry.address})"
    return f"**{_plain(entry.text)}**" if isinstance(entry, Bold) else _plain(entry)


def _plain(text: str) -> str:
    """Text of which Markdown makes nothing else."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))
