"""What goes wrong through no fault of ours."""

from __future__ import annotations


class StudyError(Exception):
    """A mistake that its reader can mend: one line with the value, the rule and the next step. Exit code 2."""
