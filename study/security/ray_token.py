"""The token that whoever talks to our Ray must show: a file that only its owner may read."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from study.errors import StudyError


def token_file() -> Path:
    """Where Ray looks for it, unless RAY_AUTH_TOKEN holds it."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")


def keep_token_private() -> None:
    """Make the token where there is none: Ray would make it readable by everybody. StudyError where that fails."""
    file = token_file()
    if os.environ.get("RAY_AUTH_TOKEN") or file.exists():
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), open(_made(file), "w") as opened:  # another launch may be faster
            opened.write(secrets.token_hex(32))
    except OSError as problem:
        said = f"{file}: Ray's token cannot be kept there: {problem.strerror}"
        raise StudyError(f"{said}; let RAY_AUTH_TOKEN_PATH name another place") from None


def _made(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
