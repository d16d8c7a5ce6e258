"""A cell's budget of epochs: what screening its configs has taken, and what the trials that run were promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Allowance:
    """A `budget` of epochs that is never exceeded, and used up to less than the first of the `rungs`.

    `rungs` are the epochs at which the scheduler decides on a trial, `longest` is the cell's longest training. A trial
    that runs is charged up to its next rung, one that has ended what it took. Until one is completed, what the trial
    that is nearest to its end still needs is kept for it.
    """

    budget: int
    rungs: Sequence[int]
    longest: int
    charged: dict[str, int] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)  # of the trials that run
    completed: bool = False
    begun: int = 0  # configs of earlier launches, which are charged already
    closed: bool = False  # whether earlier launches took more than there is now

    @property
    def rung(self) -> int:
        """What one more config takes at the least; its whole training where nothing is stopped early."""
        return self.next_rung(1, self.longest)

    @property
    def left(self) -> int:
        """What nobody was charged."""
        return self.budget - sum(self.charged.values())

    def next_rung(self, epoch: int, length: int) -> int:
        """Where a training of `length` epochs is decided upon at `epoch` or after."""
        return next((rung for rung in self.rungs if epoch <= rung < length), length)

    def affords_another(self) -> bool:
        """Whether one more config may be begun, whose length nobody knows yet."""
        return not self.closed and self._affords(self.rung, self.longest - self.rung)

    def begin(self, key: str, epoch: int, length: int) -> None:
        """A trial that has come to `epoch` is handed out."""
        self.lengths[key] = length
        self.charged[key] = self.next_rung(max(epoch, 1), length)

    def promotes(self, key: str, epoch: int) -> bool:
        """Whether a trial may go on from the rung at `epoch` to its next one."""
        following = self.next_rung(epoch + 1, self.lengths[key])
        return self._affords(following - self.charged[key], self.lengths[key] - following)

    def promote(self, key: str, epoch: int) -> None:
        """It goes on."""
        self.charged[key] = self.next_rung(epoch + 1, self.lengths[key])

    def end(self, key: str, epochs: int, *, completed: bool) -> None:
        """A trial has taken so many epochs, and takes no more."""
        self.charged[key], self.completed = epochs, self.completed or completed
        self.lengths.pop(key, None)

    def forget(self, key: str) -> None:
        """A trial of an earlier launch took more than there is now: it and those after it are not asked for."""
        del self.charged[key]
        self.lengths.pop(key, None)
        self.closed = True

    def _affords(self, more: int, then_left: int) -> bool:
        """Whether a trial may take `more`, after which it has `then_left` to its end."""
        if more > self.left:
            return False
        to_end = [length - self.charged[key] for key, length in self.lengths.items()]
        kept = min([then_left, *to_end])
        within_reach = bool(to_end) and min(to_end) <= self.left
        return self.completed or more + kept <= self.left or not within_reach
