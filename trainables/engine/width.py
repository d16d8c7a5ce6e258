"""How many lanes train at a time: given, or found by timing the epochs that are trained anyway."""

from __future__ import annotations

FIRST = 4
GAIN = 0.95  # a doubled width is kept where a lane's epoch takes at most this share of the time before
EPOCHS = 2  # timed at a width, the first left out: it makes the program


class Width:
    """The number of lanes of an array, `given` or, where that is None, as many as make a lane's epoch quickest.

    It begins with 4 and doubles for as long as that saves 5 % of a lane's time.
    """

    def __init__(self, given: int | None) -> None:
        self.best = given or FIRST
        self.trying = None if given else FIRST
        self.at_most: int | None = None
        self.seconds: dict[int, list[float]] = {}

    def now(self, wanting: int) -> int:
        """How many of `wanting` lanes are to train the next epoch."""
        width = self.trying or self.best
        return max(1, min(wanting, width, self.at_most or width))

    def took(self, lanes: int, seconds: float) -> None:
        """An epoch of `lanes` lanes took so many seconds."""
        if lanes != self.trying:
            return
        self.seconds.setdefault(lanes, []).append(seconds / lanes)
        if len(self.seconds[lanes]) < EPOCHS:
            return
        if lanes == FIRST or self._pace(lanes) <= GAIN * self._pace(self.best):
            self.best, self.trying = lanes, 2 * lanes
        else:
            self.trying = None

    def too_many(self, lanes: int) -> None:
        """So many did not fit into memory: half of them at the most from now on."""
        self.at_most = max(1, lanes // 2)
        self.best, self.trying = min(self.best, self.at_most), None

    def _pace(self, lanes: int) -> float:
        return min(self.seconds[lanes][1:])
