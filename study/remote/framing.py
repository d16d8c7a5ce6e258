"""Bytes as lines of a job's log, the one thing that comes back from a job, and out of it again.

Other lines, as of libraries that warn, may stand before, between and after them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator

LINE_BYTES = 48 * 1024  # of what is sent, in each line


class DamagedError(Exception):
    """What came back is not what was sent; says how it differs."""


def framed(kind: str, payload: bytes) -> Iterator[str]:
    """Lines, without their ends, that `unframed` makes `payload` of: numbered, counted and with a checksum."""
    yield f"study:{kind}:begin"
    starts = range(0, len(payload), LINE_BYTES)
    for number, start in enumerate(starts):
        yield f"study:{kind}:{number}:{base64.b64encode(payload[start : start + LINE_BYTES]).decode()}"
    yield f"study:{kind}:end:{len(starts)}:{hashlib.sha256(payload).hexdigest()}"


def unframed(kind: str, log: str) -> bytes | None:
    """The bytes that were sent as `kind`, the last ones where there were several; None where none were begun.

    DamagedError where lines lack, stand in another order or hold something else than what was sent.
    """
    mark = f"study:{kind}:"
    said = [line.removeprefix(mark) for line in log.splitlines() if line.startswith(mark)]
    if "begin" not in said:
        return None
    lines = said[len(said) - said[::-1].index("begin") :]
    if not lines or not lines[-1].startswith("end:"):
        raise DamagedError(f"it breaks off after {len(lines)} lines")
    count, _, digest = lines.pop().removeprefix("end:").partition(":")
    if count != str(len(lines)):
        raise DamagedError(f"{len(lines)} of {count} lines have come")
    payload = b"".join(_content(number, line) for number, line in enumerate(lines))
    if hashlib.sha256(payload).hexdigest() != digest:
        raise DamagedError("its checksum is another")
    return payload


def _content(number: int, line: str) -> bytes:
    found, _, text = line.partition(":")
    if found != str(number):
        raise DamagedError(f"line {number} is missing or out of order")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise DamagedError(f"line {number} is cut or overwritten") from None
