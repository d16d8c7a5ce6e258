"""What an option of a class similarity may be: a number, a choice, a switch, a file, a word for each class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from trainables.names import unknown_name
from trainables.real import Real


@dataclass(frozen=True)
class Number(Real):
    """A number in an interval."""

    required: ClassVar[bool] = False

    def parse(self, name: str, value: Any) -> float:
        self.check(name, value)
        return float(value)


@dataclass(frozen=True)
class Choice:
    """One of a few names."""

    default: str
    names: tuple[str, ...]
    meaning: str = ""
    required: ClassVar[bool] = False

    @property
    def range(self) -> str:
        return " | ".join(self.names)

    def parse(self, name: str, value: Any) -> str:
        if value not in self.names:
            raise ValueError(unknown_name(name, value, self.names, "known"))
        return str(value)


@dataclass(frozen=True)
class Switch:
    """On or off."""

    meaning: str = ""
    default: ClassVar[bool] = False
    required: ClassVar[bool] = False
    range: ClassVar[str] = "true | false"

    def parse(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} = {value!r} is neither true nor false")
        return value


@dataclass(frozen=True)
class File:
    """The path of a file that the user names."""

    meaning: str = ""
    required: bool = True
    default: ClassVar[None] = None
    range: ClassVar[str] = "path"

    def parse(self, name: str, value: Any) -> str | None:
        if value is None and not self.required:
            return None
        if not isinstance(value, str | Path) or not str(value):
            raise ValueError(f"{name} = {value!r} is not the path of a file")
        return str(value)


@dataclass(frozen=True)
class Digest:
    """A file's content in 16 hex digits, as `resolve` fills it in."""

    meaning: str = "the file's content; filled in when a study is planned, and refused where the file has changed since"
    default: ClassVar[None] = None
    required: ClassVar[bool] = False
    range: ClassVar[str] = "16 hex digits"

    def parse(self, name: str, value: Any) -> str | None:
        if value is not None and not (isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value)):
            raise ValueError(f"{name} = {value!r} is not {self.range}; leave it out to take the file as it is")
        return value


@dataclass(frozen=True)
class Spelling:
    """How classes are spelt elsewhere: a known spelling by name, or a mapping from class to word."""

    default: str
    names: tuple[str, ...]
    meaning: str = ""
    required: ClassVar[bool] = False

    @property
    def range(self) -> str:
        return " | ".join([*self.names, "{class: word}"])

    def parse(self, name: str, value: Any) -> str | dict[str, str]:
        if isinstance(value, Mapping):
            return {str(known): str(word) for known, word in value.items()}
        if value not in self.names:
            raise ValueError(unknown_name(name, value, self.names, "known"))
        return str(value)


Option = Number | Choice | Switch | File | Digest | Spelling
