"""No tracking."""

from __future__ import annotations


class NullTracker:
    """Follows nothing."""

    uri: str | None = None

    def wake(self) -> None:
        pass

    def close(self) -> str | None:
        return None
