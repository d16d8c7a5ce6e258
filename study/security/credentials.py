"""Passwords in a tracking address: the study file names them as `${NAME}`, each process reads them for itself."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from study.errors import StudyError
from study.redaction import PLACEHOLDER, holds_secret, is_ambiguous, remember


def filled(address: str) -> str:
    """`address` with each `${NAME}` replaced by the environment's NAME, or by what is in the file that NAME_FILE names.

    A value is percent-encoded, unless it is the whole address. StudyError where there is neither, and where a user name
    or password holds what no address may.
    """
    whole = is_open(address)
    found = PLACEHOLDER.sub(lambda name: _value(name[1]) if whole else quote(_value(name[1]), safe=""), address)
    if holds_secret(found):
        remember(found)
    if is_ambiguous(found):
        raise StudyError(
            f"tracking.uri = {address}: the user name or password before its @ holds a space, a quote or another "
            "character that no address may; percent-encode it, as %27 for ' and %20 for a space"
        )
    return found


def filled_where_possible(address: str) -> str:
    """`address` filled; as it is where a value is missing."""
    try:
        return filled(address)
    except StudyError:
        return address


def is_open(address: str) -> bool:
    """Whether a `${NAME}` is the whole address, so that nothing is known of where it leads."""
    return PLACEHOLDER.fullmatch(address) is not None


def _value(name: str) -> str:
    value = os.environ.get(name) or _from_file(name)
    if not value:
        raise StudyError(
            f"tracking.uri needs ${{{name}}}, which is not set; export {name}=..., or {name}_FILE=FILE that holds it"
        )
    remember(value)
    return value


def _from_file(name: str) -> str:
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return ""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise StudyError(f"{name}_FILE={path}: cannot be read: {problem}; correct the path") from None
