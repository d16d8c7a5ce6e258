"""Reading a study file: YAML 1.2, plain values, and the line of each."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from study.errors import StudyError
from study.redaction import holds_secret, remember

Location = tuple[str | int, ...]

MAX_DEPTH, MAX_VALUES = 32, 20_000  # what a study file may hold; aliases that unfold without end are refused
MAX_INTEGER = 2**63 - 1
LONGEST_LINE = 4096  # a longer path is written on a line of its own


@dataclass
class Document:
    """A parsed file: its values, where each stands, and what it is called in messages."""

    source: str
    text: str
    values: dict[str, Any]
    lines: dict[Location, int] = field(default_factory=dict)
    overridden: dict[Location, str] = field(default_factory=dict)
    rewritten: bool = False  # whether `values` are not what `text` says

    def place(self, location: Location) -> str:
        """`FILE:LINE` of the nearest thing that the file says about `location`, or the override that set it."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.overridden:
                return f"--set {self.overridden[location[:length]]}"
            if location[:length] in self.lines:
                return f"{self.source}:{self.lines[location[:length]]}"
            for made, assignment in self.overridden.items():  # a mapping that an override had to make on its way
                if length and made[:length] == location[:length]:
                    return f"--set {assignment}"
        return self.source

    def as_launched(self) -> str:
        """The file's text; with overrides or paths that count from its folder, its values as they came to be."""
        if not (self.overridden or self.rewritten):
            return self.text
        said = " ".join(f"--set {shlex.quote(assignment)}" for assignment in self.overridden.values())
        return f"# {self.source}{' with ' if said else ''}{said}\n{to_yaml(self.values)}"


def to_yaml(values: dict[str, Any]) -> str:
    """Plain values as YAML, keys in their order; numbers come back to the bit."""
    text = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = LONGEST_LINE
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None, read as a bool
    yaml.dump(values, text)
    return text.getvalue()


def read_document(path: Path) -> Document:
    """The file at `path`; StudyError where it cannot be read or is not a YAML mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StudyError(f"{path}: no such file; 'study presets' lists the shipped studies") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise StudyError(f"{path}: cannot be read as text: {problem}") from None
    return parse_document(text, str(path))


def parse_document(text: str, source: str) -> Document:
    """`text` as a document; StudyError where it is not a YAML mapping."""
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise StudyError(f"{source}{line}: not YAML: {problem.problem or problem.context}") from None
    except Exception as problem:  # what ruamel.yaml stumbles over: `!!int ""` is an IndexError, `!!bool x` a KeyError
        said = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise StudyError(f"{source}: not YAML: {said}") from None
    if not isinstance(values, dict):
        kind = "empty" if values is None else f"a {type(values).__name__}"
        raise StudyError(f"{source}: the file is {kind}, not a study: it must hold keys such as 'name' and 'families'")
    document = Document(source, text, _plain(values, source))
    _collect_lines(node, (), document.lines)
    return document


def override(document: Document, assignments: Sequence[str]) -> None:
    """Apply `a.b=c` overrides in place; values are YAML. StudyError where one is malformed or leads nowhere."""
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        keys = name.strip().split(".")
        if not equals or not all(keys):
            raise StudyError(f"--set {assignment}: not KEY=VALUE, as in --set training.epochs=5")
        if holds_secret(text):
            remember(text)  # a password with a space in it is not seen once a line quotes it
        try:
            read = YAML(typ="safe", pure=True).load(text) if text.strip() else None
        except Exception:  # as in parse_document
            raise StudyError(f"--set {assignment}: the value is not YAML; quote it") from None
        location = _assign(document.values, keys, _plain(read, f"--set {assignment}"), assignment)
        document.overridden[location] = assignment


def _assign(values: dict[str, Any], keys: list[str], value: Any, assignment: str) -> Location:
    container: Any = values
    location: list[str | int] = []
    for depth, key in enumerate(keys):
        index: str | int = key
        if isinstance(container, list):
            if not key.isdecimal() or int(key) >= len(container):
                raise StudyError(f"--set {assignment}: '{key}' is no index of a list of {len(container)}")
            index = int(key)
        elif not isinstance(container, dict):
            raise StudyError(f"--set {assignment}: '{'.'.join(keys[:depth])}' is a single value, it has no '{key}'")
        location.append(index)
        if depth == len(keys) - 1:
            container[index] = value
        else:
            below = container.get(index) if isinstance(container, dict) else container[int(index)]
            if isinstance(below, str):  # `dataset: digits` is short for `dataset: {name: digits}`
                below = {"family" if location[0] == "families" else "name": below}
            container[index] = {} if below is None else below
            container = container[index]
    return tuple(location)


def _plain(value: Any, source: str) -> Any:
    """Only mappings with text keys, lists, text, numbers, booleans and null."""
    return _plainly(value, source, 0, itertools.count())


def _plainly(value: Any, source: str, depth: int, seen: Iterator[int]) -> Any:
    if depth > MAX_DEPTH or next(seen) > MAX_VALUES:
        raise StudyError(f"{source}: more than {MAX_DEPTH} levels or {MAX_VALUES} values: no study is that large")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise StudyError(f"{source}: key {key!r} is not text; quote it")
        return {key: _plainly(each, source, depth + 1, seen) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plainly(each, source, depth + 1, seen) for each in value]
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise StudyError(f"{source}: {str(value)[:20]}... is too large a number; whole numbers end at 2^63")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise StudyError(f"{source}: {value} ({type(value).__name__}) is neither text nor a number; quote it")


def _collect_lines(node: Node, location: Location, lines: dict[Location, int]) -> None:
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            lines[(*location, key.value)] = key.start_mark.line + 1
            _collect_lines(value, (*location, key.value), lines)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            _collect_lines(value, (*location, index), lines)
