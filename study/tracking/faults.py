"""What is wrong with a server, in a few words; and waiting for one that may never answer."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE_S = 30.0  # without any progress
POLL_S = 0.1


class UnansweredError(Exception):
    """A server took a request and neither answered nor refused it."""


def patiently(work: Callable[[], Found], progress: Callable[[], int], patience_s: float | None = None) -> Found:
    """Do `work` on another thread and return what it returns, or raise what it raises.

    UnansweredError where `progress` has stood still for `patience_s`, by default `PATIENCE_S`: a server that sends a
    byte now and then outlasts every limit on a single read. The thread is then left to itself and ends with the
    program.
    """
    found: list[Found] = []
    raised: list[BaseException] = []

    def do() -> None:
        try:
            found.append(work())
        except BaseException as problem:
            raised.append(problem)

    thread = threading.Thread(target=do, name="mlflow", daemon=True)
    thread.start()
    limit = PATIENCE_S if patience_s is None else patience_s
    before, since = progress(), time.monotonic()
    while thread.is_alive():
        thread.join(POLL_S)
        now = progress()
        if now != before:
            before, since = now, time.monotonic()
        elif thread.is_alive() and time.monotonic() - since > limit:
            raise UnansweredError(f"no answer for {limit:g} s")
    if raised:
        raise raised[0]
    return found[0]


def network_fault(problem: BaseException) -> str | None:
    """`connection refused`, where a network is to blame for `problem`; else None."""
    for cause in _causes(problem):
        match type(cause).__name__:  # urllib3's: to import it would be to import half of MLflow
            case "ReadTimeoutError" | "ConnectTimeoutError":
                return "no answer in time"
            case "ProtocolError":
                return "the connection broke off"
            case "NameResolutionError":
                return "no such host"
            case "ResponseError":
                status = next((word for word in str(cause).split() if word.isdigit()), "")
                return f"it answers with error {status}".strip()
            case "JSONDecodeError":
                return "what answers there is not MLflow"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, (ConnectionError, http.client.HTTPException)):
            return "the connection broke off"
    return "what answers there is not MLflow" if "not in a valid JSON format" in str(problem) else None


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    """From the first cause to what came of it."""
    chain: list[BaseException] = []
    while problem is not None and problem not in chain:
        chain.append(problem)
        problem = problem.__cause__ or problem.__context__
    return reversed(chain)
