"""No tracking."""

from __future__ import annotations

from collections.abc import Callable


class NullTracker:
    """Follows nothing."""

    uri: str | None = None

    def wake(self) -> None:
        pass

    def close(self, say: Callable[[str], None] = lambda text: None) -> str | None:
        return None
