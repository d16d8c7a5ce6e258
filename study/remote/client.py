"""The job server of a cluster: reached, told what is wrong in a line, and its jobs for studies."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from study.errors import StudyError
from study.redaction import redacted, remember
from study.security.ray_token import token_file

PATIENCE_S = 10.0  # until a server that says nothing is none
ELSEWHERE = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")  # which Ray would follow instead of the address it is given
CHATTY = ("ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk")
UNDER_WAY = ("PENDING", "RUNNING")
NOT_FOUND_EXIT = 127  # the shell's, for a program that is not there
SETUP_FAILED = "RUNTIME_ENV_SETUP_FAILURE"


@dataclass(frozen=True)
class Job:
    """A job that was submitted for a study: what it does (`launch`, `confirm`, ...) and how it stands."""

    id: str
    study: str
    action: str
    state: str
    message: str
    error: str
    exit_code: int | None
    started: float

    @property
    def under_way(self) -> bool:
        """Whether it waits or runs."""
        return self.state in UNDER_WAY

    def why(self) -> str:
        """In a line, why it came to nothing."""
        lines = [" ".join(line.split()) for line in self.message.splitlines() if line.strip()]
        last = lines[-1] if lines else "it left no word"
        if self.error == SETUP_FAILED:
            said = next((line for line in reversed(lines) if "Error" in line), last)
            return f"the cluster could not set up what it needs: {said}"
        if self.exit_code == NOT_FOUND_EXIT:
            return f"{last}; the head's shell must find 'python': start Ray there inside its environment"
        if missing := re.search(r"No module named '(\w+)'", self.message):
            return f"the head's Python lacks '{missing[1]}'; install there what this machine has"
        return last.removeprefix("error: ")


class Cluster:
    """A cluster's job server. Every method raises StudyError, in one line, where it does not answer as it should."""

    def __init__(self, address: str) -> None:
        """Reach the server at `http://HEAD:PORT`, and see that it is one, lets us in and runs the Ray that is here."""
        self.address = _checked(address)
        _probe(self.address)
        with self._in_a_line(), _without(ELSEWHERE):
            from ray.job_submission import JobSubmissionClient

            for name in CHATTY:
                logging.getLogger(name).setLevel(logging.WARNING)
            self._client = JobSubmissionClient(self.address, headers=_token_header())

    def submit(
        self, job: str, entrypoint: str, folder: Path, metadata: Mapping[str, str], variables: Mapping[str, str]
    ) -> None:
        """Start `entrypoint` on the head as the job `job`, in a copy of `folder`."""
        environment = {"working_dir": str(folder), "env_vars": dict(variables)}
        with self._in_a_line():
            self._client.submit_job(
                entrypoint=entrypoint, submission_id=job, runtime_env=environment, metadata=dict(metadata)
            )

    def jobs(self, study: str | None = None) -> list[Job]:
        """The jobs that were submitted for studies, or for one, the newest first."""
        with self._in_a_line():
            found = [_job(details) for details in self._client.list_jobs() if details.submission_id]
        ours = [job for job in found if job.study and study in (None, job.study)]
        return sorted(ours, key=lambda job: job.started, reverse=True)

    def job(self, job: str) -> Job:
        """How a job stands."""
        with self._in_a_line(job):
            return _job(self._client.get_job_info(job))

    def log(self, job: str) -> str:
        """All that a job has written."""
        with self._in_a_line(job):
            return str(self._client.get_job_logs(job))

    def follow(self, job: str) -> Iterator[str]:
        """What a job writes, as it writes it, until it ends."""
        lines = self._client.tail_job_logs(job)

        async def following() -> str | None:
            return await anext(lines, None)

        with self._in_a_line(job), asyncio.Runner() as runner:
            try:
                while (text := runner.run(following())) is not None:
                    yield text
            finally:
                runner.run(lines.aclose())

    def stop(self, job: str) -> None:
        """End a job's processes by SIGTERM, and soon by SIGKILL."""
        with self._in_a_line(job):
            self._client.stop_job(job)

    def forget(self, job: str) -> None:
        """Take a job that has ended off the server's list."""
        with self._in_a_line(job):
            self._client.delete_job(job)

    @contextmanager
    def _in_a_line(self, job: str = "") -> Iterator[None]:
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except (requests.RequestException, ConnectionError):
            raise StudyError(f"{self.address}: the job server does not answer any more; is the cluster up?") from None
        except AuthenticationError:
            raise StudyError(_denied(self.address)) from None
        except (RuntimeError, ValueError, OSError) as problem:
            said = str(problem)
            if "status code 404" in said:
                said = f"no study or job '{job}' at {self.address}"
                raise StudyError(f"{said}; 'study list --address {self.address}' shows the studies") from None
            lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
            raise StudyError(f"{self.address}: {lines[-1] if lines else type(problem).__name__}") from None


def _checked(address: str) -> str:
    parts = urlsplit(address.rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StudyError(
            f"'{redacted(address)}' is no address of a job server; give the one of the head's dashboard, as in "
            "http://head:8265"
        )
    return address.rstrip("/")


def _probe(address: str) -> None:
    """Ask the server what it is; StudyError where nobody, somebody else or another Ray answers."""
    import ray
    import requests

    shown = redacted(address)
    try:
        answer = requests.get(f"{address}/api/version", headers=_token_header(), timeout=PATIENCE_S)
    except requests.exceptions.SSLError as problem:
        if "CERTIFICATE" in str(problem).upper():
            said = "its certificate is not one that this machine trusts; let REQUESTS_CA_BUNDLE name the authority's"
            raise StudyError(f"{shown}: {said}") from None
        raise StudyError(f"{shown}: it does not speak https; try {shown.replace('https', 'http', 1)}") from None
    except requests.Timeout:
        raise StudyError(f"{shown}: no answer within {PATIENCE_S:g} s; is a firewall between? use a tunnel") from None
    except requests.RequestException as problem:
        if any(word in str(problem) for word in ("BadStatusLine", "RemoteDisconnected", "reset by peer")):
            secure = shown.replace("http", "https", 1) if shown.startswith("http:") else shown
            raise StudyError(f"{shown}: something answers that does not speak http; try {secure}") from None
        raise StudyError(f"{shown}: no job server there; is the head up, and this its dashboard's port?") from None
    if answer.status_code in (401, 403):
        raise StudyError(_denied(shown))
    if answer.status_code == 400 and "https" in answer.text.lower():
        raise StudyError(f"{shown}: it speaks https; try {shown.replace('http', 'https', 1)}")
    try:
        version = str(answer.json()["ray_version"])
    except (ValueError, KeyError, TypeError):
        raise StudyError(f"{shown}: what answers there is no Ray job server; give its dashboard's address") from None
    if version != ray.__version__:
        raise StudyError(
            f"{shown} runs Ray {version}, this machine Ray {ray.__version__}: a study runs under one of them; install "
            f"ray=={version} here, or the other there"
        )


def _denied(address: str) -> str:
    if _token() is None:
        said = f"it asks for a token; let RAY_AUTH_TOKEN hold it, or a file that RAY_AUTH_TOKEN_PATH names ({_place()})"
    else:
        said = f"it does not take the token of {_place()}; use the one that its head was started with"
    return f"{address}: {said}"


def _token() -> str | None:
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    try:
        return token_file().read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _place() -> str:
    return "RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else str(token_file())


def _token_header() -> dict[str, str]:
    token = _token()
    if token is None:
        return {}
    remember(token)
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


def _job(details: Any) -> Job:
    facts = details.metadata or {}
    return Job(
        details.submission_id, facts.get("study", ""), facts.get("action", ""), details.status.value,
        details.message or "", details.error_type or "", details.driver_exit_code, (details.start_time or 0) / 1000,
    )  # fmt: skip
