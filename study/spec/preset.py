"""A shipped study: its file, and the page of notes that the file opens with."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from study.records.paths import find_study_file, preset_names
from study.spec.paper import PaperSpec
from study.spec.yaml_file import read_document

FIRST = "quickstart"
NOTE = re.compile(r"# ([A-Z][a-z]+)  +(\S.*)")  # a note begins with its name, its other lines are indented
COMMAND, ITEM = "Command", "- "


@dataclass(frozen=True)
class Preset:
    """What is said of a shipped study. `notes` has Source, Command, Cost and, where there is a paper, Deviations."""

    name: str
    description: str
    notes: dict[str, list[str]] = field(default_factory=dict)
    paper: PaperSpec | None = None

    @property
    def group(self) -> str:
        """What its name begins with: the presets of one paper have it in common."""
        return self.name.partition("-")[0]

    @property
    def source(self) -> str:
        """Table or figure of a paper, or where else the study comes from."""
        return self.paper.source if self.paper else self._opening("Source")

    @property
    def cost(self) -> str:
        """Its cost in a line; the note says how it is known."""
        return self._opening("Cost")

    def _opening(self, note: str) -> str:
        """A note's first sentence."""
        return re.split(r"(?<=[a-z])\.(?: |$)", self.notes.get(note, [""])[0], maxsplit=1)[0]


def read_preset(name: str) -> Preset:
    """The shipped study `name`; StudyError where there is none."""
    document = read_document(find_study_file(name))
    paper: Any = document.values.get("paper")
    return Preset(
        name,
        document.values.get("description", ""),
        read_notes(document.text),
        PaperSpec.model_validate(paper) if paper else None,
    )


def read_presets() -> list[Preset]:
    """Every shipped study: the one to begin with, then paper by paper."""
    return [read_preset(name) for name in sorted(preset_names(), key=lambda name: (name != FIRST, name))]


def read_notes(text: str) -> dict[str, list[str]]:
    """The notes in the comment on top of a study file: lines of a Command, items of a list, or one paragraph."""
    notes: dict[str, list[str]] = {}
    name = ""
    for line in itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()):
        if begun := NOTE.match(line):
            name, said = begun.groups()
            notes[name] = [said.removeprefix(ITEM)]
        elif name and (said := line.removeprefix("#").strip()):
            if name == COMMAND or said.startswith(ITEM):
                notes[name].append(said.removeprefix(ITEM))
            else:
                notes[name][-1] += f" {said}"
    return notes
