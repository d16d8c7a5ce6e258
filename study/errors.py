"""What goes wrong through no fault of ours."""

from __future__ import annotations

from study.redaction import hidden


class StudyError(Exception):
    """A mistake that its reader can mend: one line with the value, the rule and the next step. Exit code 2."""

    def __init__(self, message: str) -> None:
        """`message` may quote what its reader wrote: passwords are hidden, unprintable characters escaped."""
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in hidden(message)))


class PlacedStudyError(StudyError):
    """A mistake that shows only once there is data; `location` leads to it in the study file."""

    def __init__(self, location: tuple[str | int, ...], message: str) -> None:
        super().__init__(f"{'.'.join(str(part) for part in location)}: {message}")
        self.location, self.message = location, message
