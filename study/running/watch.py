"""A thread that looks now and then while the main thread waits."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType


class Watch(ABC):
    """Looks from `with` to the end of its block, on a thread called `name`. How it looks, its heirs say."""

    def __init__(self, name: str) -> None:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name=name, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @abstractmethod
    def _look(self) -> None:
        """Until `_done` is set."""
