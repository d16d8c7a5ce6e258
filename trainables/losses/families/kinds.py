"""The kinds of hyperparameter: what values each takes, and the sentence that refuses any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainables.kinds import Choice, Integer
from trainables.names import unknown_name
from trainables.real import Real
from trainables.similarity import SIMILARITIES
from trainables.similarity import check as check_similarity


@dataclass(frozen=True)
class Matrix:
    """A matrix `[C, C]`: a name that the loss or its caller resolves, or the ready matrix."""

    default: str
    names: tuple[str, ...]
    meaning: str = ""
    noun: str = "matrix"
    plural: str = "matrices"

    @property
    def range(self) -> str:
        return " | ".join([*self.names, "[C, C]"])

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, str) and value not in self.names:
            raise ValueError(unknown_name(name, value, self.names, self.plural))
        if isinstance(value, bool | int | float | type(None)):
            raise ValueError(f"{name} = {value!r} is not a {self.noun}; known: {', '.join(self.names)}")


@dataclass(frozen=True)
class Similarity(Matrix):
    """How much classes resemble one another: a name, `{"name": name, option: value, ...}` or a ready `[C, C]`.

    Names and options are those of `trainables/similarity/catalogue.py`, of which `names` may leave some out.
    """

    default: str = "lda"
    names: tuple[str, ...] = tuple(SIMILARITIES)
    meaning: str = "class similarity, rows sum to 1: 'lda' is fitted to the training images, 'uniform' knows nothing"
    noun: str = "similarity"
    plural: str = "similarities"
    raw: bool = False  # a likeness with unit diagonal, as measured, instead of rows that sum to 1
    without_options: tuple[str, ...] = ()  # names whose options are hyperparameters of the family

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            check_similarity(value)
            super().check(name, value["name"])
            if value["name"] in self.without_options:
                raise ValueError(f"{name}: '{value['name']}' takes no options here; they are hyperparameters beside it")
        else:
            super().check(name, value)
            if isinstance(value, str):
                check_similarity(value)


@dataclass(frozen=True)
class Blocks:
    """The blocks of the network to which modules are attached; several names are joined by '+'."""

    default: str = "last"
    meaning: str = "blocks with a module: the 'last' (the network's own head), 'all', or names as in 'conv1+conv2'"

    @property
    def range(self) -> str:
        return "last | all | BLOCK+BLOCK"

    def check(self, name: str, value: Any) -> None:
        blocks = value.split("+") if isinstance(value, str) else []
        if not all(blocks) or not blocks:
            raise ValueError(f"{name} = {value!r} is neither 'last' nor 'all' nor names of blocks, as in 'conv1+conv2'")
        if len(set(blocks)) < len(blocks):
            raise ValueError(f"{name} = {value!r} names a block twice")
        if len(blocks) > 1 and set(blocks) & {"last", "all"}:
            raise ValueError(f"{name} = {value!r}: 'last' and 'all' stand alone; name the blocks themselves")


Hyperparameter = Real | Integer | Choice | Matrix | Blocks
