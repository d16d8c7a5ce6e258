"""Passwords in text: recognised, and taken out of whatever is shown or kept."""

from __future__ import annotations

import html
import json
import os
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_AUTH_ADMIN_PASSWORD",
    "STUDY_DASHBOARD_PASSWORD", "RAY_AUTH_TOKEN", "PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING",
)  # fmt: skip
LEAST = 5  # characters of a variable's value that is looked for: a shorter one is part of too many words

# In prose a password ends with its word, up to the last @ in it: it is not always percent-encoded. A file's address
# begins with a slash.
_USER_INFO = re.compile(r"(?<=://)(?![/\\])\S*@")
_NAME = (
    r"(?:[\w.-]*(?:password|passwd|passphrase|passcode|pwd|token|secret|api_?key|access_?key|account_?key|private_?key"
    r"|credentials?|signature|authori[sz]ation|odbc_connect)|(?:[\w.-]*[_.-])?(?:pass|sig|key|o?auth))="
)
_QUERY = re.compile(
    rf"(?<=[?&;#])({_NAME})((?:\$\{{\w+\}}|[^&;\s])+?)(?=[\\'\"<>(){{}}\[\],.]*(?:[&;\s]|$))", re.IGNORECASE
)
_QUERY_OF_ADDRESS = re.compile(rf"(?<=[?&;#])({_NAME})([^&;]+)", re.IGNORECASE)
_AMBIGUOUS = re.compile(r"['\"<>\s\x00-\x1f\x7f]")  # ends an address wherever one is quoted
_remembered: set[str] = set()


def remember(secret: str) -> None:
    """Take `secret`, and where it is an address its passwords, out of everything that is shown from now on."""
    held = [found[2] for found in _QUERY_OF_ADDRESS.finditer(secret) if not _only_names(found[2])]
    before, user_info, _ = _split(secret)
    user, _, password = user_info.removesuffix("@").partition(":")
    if user_info and not _is_open(before, user_info):
        held.append(password or user)
    _remembered.update((secret, *held))


def redacted(address: str) -> str:
    """An address without user name and password, for people and as a store's name."""
    before, user_info, after = _split(address)
    return before + (f"{HIDDEN}@" if user_info else "") + after


def without_user(address: str) -> str:
    """An address that a browser opens: no user name, no password."""
    before, _, after = _split(address)
    return before + after


def holds_secret(address: str) -> bool:
    """Whether a password is written in an address, which `address` is as a whole; `${NAME}` in its place is none.

    A user name alone counts where the address is a web server's: tokens are written there.
    """
    before, user_info, _ = _split(address)
    in_query = any(not _only_names(found[2]) for found in _QUERY_OF_ADDRESS.finditer(address))
    return in_query or bool(user_info and not _is_open(before, user_info))


def is_ambiguous(address: str) -> bool:
    """Whether the user name or password of an address has a character that must be percent-encoded there, as a quote.

    `${NAME}` is none; / and @ are not counted, which are told from the host by the last @.
    """
    return _AMBIGUOUS.search(PLACEHOLDER.sub("", _split(address)[1])) is not None


def hidden(text: str, *, variables: bool = True) -> str:
    """`text` without passwords: those of addresses in it and, with `variables`, those that this process was given."""
    if variables:  # first: one with a space in it is more than its word
        given = {os.environ.get(name, "") for name in SECRET_VARIABLES} | _remembered
        forms = {form for value in given for form in _forms(value) if len(form) >= LEAST}
        for secret in sorted(forms, key=len, reverse=True):  # one may be part of another
            text = text.replace(secret, _shown(secret))
    text = _QUERY.sub(lambda found: found[0] if _only_names(found[2]) else f"{found[1]}{HIDDEN}", text)
    return _USER_INFO.sub(lambda found: found[0] if _is_open(text[: found.start()], found[0]) else f"{HIDDEN}@", text)


def hide_in_tracebacks() -> None:
    """Let a traceback that ends a thread or the program show no password either."""

    def show(kind: type[BaseException], problem: BaseException | None, trace: TracebackType | None) -> None:
        sys.stderr.write(hidden("".join(traceback.format_exception(kind, problem, trace))))

    def show_of_thread(ended: Any) -> None:
        if ended.exc_type is not SystemExit:
            show(ended.exc_type, ended.exc_value, ended.exc_traceback)

    sys.excepthook, threading.excepthook = show, show_of_thread


def _split(address: str) -> tuple[str, str, str]:
    """What stands before an address's user name, that with its password up to the @, and what follows it.

    What a query holds of passwords is hidden.
    """
    address = _QUERY_OF_ADDRESS.sub(rf"\1{HIDDEN}", address)  # one may hold an @
    for slashes in re.finditer("://", address):
        before, rest = address[: slashes.end()], address[slashes.end() :]
        if not rest.startswith(("/", "\\")):
            user, at, after = rest.rpartition("@")
            return before, user + at, after
    return "", "", address


def _forms(secret: str) -> set[str]:
    """The ways in which a secret may be written: percent-encoded or not, quoted as in JSON, Python, YAML or HTML."""
    plain = {secret, unquote(secret)}
    written = {
        form
        for each in plain
        for form in (
            quote(each, safe=""), quote(each), quote_plus(each), json.dumps(each)[1:-1], repr(each)[1:-1],
            json.dumps(each, ensure_ascii=False)[1:-1], each.replace("'", "''"), html.escape(each),
        )
    }  # fmt: skip
    lower = {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in written}
    return plain | written | lower


def _shown(secret: str) -> str:
    """What stands in a secret's place: of an address, which it may be as a whole, the host stays."""
    return redacted(secret) if holds_secret(secret) else HIDDEN


def _is_open(before: str, user_info: str) -> bool:
    """Whether what stands before an address's @ may be read by anybody."""
    user, colon, password = user_info.removesuffix("@").partition(":")
    if colon:
        return _only_names(password)
    scheme = re.search(r"(\w[\w+.-]*)://$", before)
    return _only_names(user) or (scheme is not None and not scheme[1].lower().startswith("http"))


def _only_names(value: str) -> bool:
    return not PLACEHOLDER.sub("", value).replace(HIDDEN, "")
