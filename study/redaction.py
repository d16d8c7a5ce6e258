"""Passwords in text: recognised, and taken out of whatever is shown or kept."""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "***"
PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_AUTH_ADMIN_PASSWORD",
    "STUDY_DASHBOARD_PASSWORD", "RAY_AUTH_TOKEN", "PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING",
)  # fmt: skip
LEAST = 5  # characters of a variable's value that is looked for: a shorter one is part of too many words

# Up to the last @ of the word: passwords are not always percent-encoded. A file's address begins with a slash.
_USER_INFO = re.compile(r"(?<=://)(?![/\\])[^\s'\"<>]*@")
_QUERY = re.compile(
    r"(?<=[?&;])(\w*(?:password|passwd|pwd|token|secret|api_?key|odbc_connect)=)([^&;\s'\"<>]+)", re.IGNORECASE
)
_remembered: set[str] = set()


def remember(secret: str) -> None:
    """Take `secret`, and where it is an address its password, out of everything that is shown from now on."""
    found = _USER_INFO.search(secret)
    _remembered.add(secret)
    if found is not None and (password := found[0].removesuffix("@").partition(":")[2]):
        _remembered.update((password, unquote(password)))


def redacted(address: str) -> str:
    """An address without user name and password, for people and as a store's name."""
    return _USER_INFO.sub(f"{HIDDEN}@", _QUERY.sub(rf"\1{HIDDEN}", address))


def without_user(address: str) -> str:
    """An address that a browser opens: no user name, no password."""
    return _USER_INFO.sub("", address)


def holds_secret(text: str) -> bool:
    """Whether a password is written in an address in `text`; `${NAME}` in its place is none.

    A user name alone counts where the address is a web server's: tokens are written there.
    """
    return hidden(text, variables=False) != text


def hidden(text: str, *, variables: bool = True) -> str:
    """`text` without passwords: those of addresses in it and, with `variables`, those that this process was given."""
    text = _QUERY.sub(lambda found: found[0] if _only_names(found[2]) else f"{found[1]}{HIDDEN}", text)
    text = _USER_INFO.sub(lambda found: found[0] if _is_open(found) else f"{HIDDEN}@", text)
    if variables:
        given = {os.environ.get(name, "") for name in SECRET_VARIABLES} | _remembered
        forms = {form for value in given for form in (value, quote(value, safe="")) if len(value) >= LEAST}
        for secret in sorted(forms, key=len, reverse=True):  # one may be part of another
            text = text.replace(secret, HIDDEN)
    return text


def hide_in_tracebacks() -> None:
    """Let a traceback that ends a thread or the program show no password either."""

    def show(kind: type[BaseException], problem: BaseException | None, trace: TracebackType | None) -> None:
        sys.stderr.write(hidden("".join(traceback.format_exception(kind, problem, trace))))

    def show_of_thread(ended: Any) -> None:
        if ended.exc_type is not SystemExit:
            show(ended.exc_type, ended.exc_value, ended.exc_traceback)

    sys.excepthook, threading.excepthook = show, show_of_thread


def _is_open(found: re.Match[str]) -> bool:
    """Whether what stands before an address's @ may be read by anybody."""
    user, colon, password = found[0].removesuffix("@").partition(":")
    if colon:
        return _only_names(password)
    scheme = re.search(r"(\w[\w+.-]*)://$", found.string[: found.start()])
    return _only_names(user) or (scheme is not None and not scheme[1].lower().startswith("http"))


def _only_names(value: str) -> bool:
    return not PLACEHOLDER.sub("", value).replace(HIDDEN, "")
