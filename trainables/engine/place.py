"""A trial's place in an array of lanes: one of its own, or one among others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from torch import nn

from trainables.engine.lane import LaneState, Metrics
from trainables.engine.lanes import LaneArray


class Place(Protocol):
    """What a trial needs of the array that it trains in. Between two calls of `advance` nothing of it changes."""

    @property
    def state(self) -> LaneState:
        """What the lane has become: epochs, history and best epoch are as they are, tensors may lag behind `save`."""

    @property
    def array(self) -> LaneArray:
        """The array, for its data and device."""

    def advance(self, given_up: Callable[[], bool]) -> Metrics:
        """Train an epoch; its metrics, none where `given_up` came true before the epoch began."""

    def save(self) -> LaneState:
        """A copy of the lane's state on the CPU."""

    def network(self, which: Literal["best", "last"]) -> nn.Module:
        """The lane's network by itself, as it was at the best epoch or as it is."""

    def warnings(self) -> Sequence[str]:
        """What the loss has to say of what it has learned, and how the lane fares among others."""

    def leave(self) -> None:
        """The trial needs no further epoch: its lane may be given to another. `save` and `network` still answer."""


class LonePlace:
    """The only lane of an array."""

    def __init__(self, array: LaneArray, key: str) -> None:
        self.array, self.key = array, key

    @property
    def state(self) -> LaneState:
        return self.array.states[0]

    def advance(self, given_up: Callable[[], bool]) -> Metrics:
        return {} if given_up() else self.array.advance()[self.key]

    def save(self) -> LaneState:
        return self.array.save(self.key)

    def network(self, which: Literal["best", "last"]) -> nn.Module:
        return self.array.network(self.key, which)

    def warnings(self) -> Sequence[str]:
        return self.array.warnings(self.key)

    def leave(self) -> None:
        pass
