"""Independent random draws."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

from study.search import Params, split_space
from study.spec.spaces import Distribution, identity_of
from trainables.seeds import derive_seed


class RandomProposer:
    """`size` configs, each value drawn from a stream of its own: (seed, key, config number).

    Config i therefore has the same learning rate in every family, families are compared on the same draws, and a
    hyperparameter that is added to the space leaves the draws of the others as they were.
    """

    foreseeable = True

    def __init__(self, space: dict[str, Any], size: int, seed: int) -> None:
        self.size, self._seed, self._asked = size, seed, 0
        self._constants, self._searched = split_space(space)
        self._drawn: set[str] = set()

    def ask(self) -> Params | None:
        if self._asked >= self.size:
            return None
        number, self._asked = self._asked, self._asked + 1
        drawn = self._draw(number)
        for again in itertools.count(1):  # `make_proposer` has seen to it that the space holds more configs than asked
            if identity_of(drawn) not in self._drawn:
                break
            drawn = self._draw(number, "again", again)
        self._drawn.add(identity_of(drawn))
        return self._constants | drawn

    def _draw(self, *path: str | int) -> Params:
        return {
            key: _draw(distribution, random.Random(derive_seed(self._seed, key, *path)))
            for key, distribution in self._searched.items()
        }

    def recall(self, params: Params) -> bool:
        return False

    def learn(self, params: Params, score: float, source: str, *, stopped_at: int | None = None) -> bool:
        return False

    def tell(self, params: Params, score: float | None, *, stopped_at: int | None = None) -> None:
        pass


def _draw(distribution: Distribution, stream: random.Random) -> Any:
    if distribution.finite:
        return stream.choice(distribution.points())
    low, high = distribution.values
    if distribution.kind == "loguniform":
        return math.exp(stream.uniform(math.log(low), math.log(high)))
    return stream.uniform(low, high)
