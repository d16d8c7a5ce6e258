"""What an option of a noise may be: a mapping of classes, a matrix, a name, a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trainables.data.noise.transition import checked_transition
from trainables.similarity.options import Digest, File


@dataclass(frozen=True)
class ClassMapping:
    """Which class each of some classes becomes, by name or number."""

    meaning: str
    required: ClassVar[bool] = False

    def parse(self, name: str, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping) or not value:
            raise ValueError(f"{name} = {value!r} is not a mapping of classes, as in {{truck: automobile}}")
        for each in [*value, *value.values()]:
            if isinstance(each, bool) or not isinstance(each, str | int):
                raise ValueError(f"{each!r} in {name} is neither the name nor the number of a class; quote it")
        return {str(source): str(target) for source, target in value.items()}


@dataclass(frozen=True)
class InlineMatrix:
    """A transition matrix in the study file itself."""

    meaning: str
    required: ClassVar[bool] = False

    def parse(self, name: str, value: Any) -> list[list[float]]:
        return checked_transition(value, name).tolist()


@dataclass(frozen=True)
class Key:
    """The name of one array among several in a file."""

    meaning: str
    required: ClassVar[bool] = False

    def parse(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} = {value!r} is not the name of an array in the file")
        return value


Option = ClassMapping | InlineMatrix | Key | File | Digest
