"""How many lanes train at a time: given, or found by timing the epochs that are trained anyway."""

from __future__ import annotations

FIRST = 8
GAIN = 0.95  # a doubled width is kept where a lane's epoch takes at most this share of the time before
EPOCHS = 2  # timed at a width, the first left out: it makes the program


class Width:
    """The number of lanes of an array: `most`, or, where it is to be `found`, as many of these as pay.

    It then begins with 8 and doubles for as long as that saves 5 % of a lane's time, within what memory was found to
    hold.
    """

    def __init__(self, most: int, *, found: bool) -> None:
        self.most = most
        self.best = min(FIRST, most) if found else most
        self.searching = found
        self.trying = self.best
        self.seconds: dict[int, list[float]] = {}

    def now(self, wanting: int) -> int:
        """How many of `wanting` lanes are to train the next epoch."""
        return max(1, min(wanting, self.trying, self.most))

    def took(self, lanes: int, seconds: float) -> None:
        """An epoch of `lanes` lanes took so many seconds."""
        if not self.searching or lanes != self.trying:
            return
        self.seconds.setdefault(lanes, []).append(seconds / lanes)
        if len(self.seconds[lanes]) < EPOCHS:
            return
        if self._pace(lanes) <= GAIN * self._pace(self.best) or lanes == self.best:
            self.best, self.trying = lanes, min(2 * lanes, self.most)
            self.searching = self.trying > lanes
        else:
            self.trying, self.searching = self.best, False

    def fits(self, lanes: int) -> None:
        """So many lanes are said to fit into memory."""
        self.most = min(self.most, lanes)
        self.best, self.trying = min(self.best, self.most), min(self.trying, self.most)

    def too_many(self, lanes: int) -> None:
        """So many did not fit into memory: half of them at the most from now on."""
        self.most = max(1, lanes // 2)
        self.best = self.trying = min(self.best, self.most)
        self.searching = False

    def _pace(self, lanes: int) -> float:
        return min(self.seconds[lanes][1:])
