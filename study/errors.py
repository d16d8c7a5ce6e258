"""What goes wrong through no fault of ours."""

from __future__ import annotations

from collections.abc import Sequence

from study.redaction import hidden

LONGEST = 1_000  # characters of a message: what is quoted may be a whole file; the rule and the next step end it


class StudyError(Exception):
    """A mistake that its reader can mend: one line with the value, the rule and the next step. Exit code 2.

    `further` are other mistakes that were found with it, a line each.
    """

    def __init__(self, message: str, further: Sequence[str] = ()) -> None:
        """`message` may quote its reader: passwords are hidden, unprintable characters escaped, a long one loses its
        middle.
        """
        super().__init__(_line(message))
        self.further = tuple(_line(each) for each in further)


class PlacedStudyError(StudyError):
    """A mistake that shows only once there is data; `location` leads to it in the study file."""

    def __init__(self, location: tuple[str | int, ...], message: str) -> None:
        super().__init__(f"{'.'.join(str(part) for part in location)}: {message}")
        self.location, self.message = location, message


def _line(message: str) -> str:
    said = "".join(c if c.isprintable() else repr(c)[1:-1] for c in hidden(message))
    half = LONGEST // 2
    return said if len(said) <= LONGEST else f"{said[:half]} ... {said[-half:]}"
