"""Handing a study to a cluster's job server, and asking the head about studies there."""

from __future__ import annotations

import json
import secrets
import shlex
import tempfile
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.records.environment import git_commit
from study.redaction import PLACEHOLDER
from study.remote.client import Cluster, Job
from study.remote.code import stage
from study.remote.framing import DamagedError, unframed

ON_HEAD = ("python", "-m", "study.remote.head")
ON_THE_CLUSTER = ("--address", "auto")  # how a launch on the head uses all of its nodes
DRIVERS = ("launch", "confirm")
QUESTION = "question"
LOOK_EVERY_S = 0.5
START_S = 180.0  # within which a head that is well has started a question


@dataclass(frozen=True)
class Answer:
    """How a command ended on the head: its exit code, what it wrote, and the log of the job that ran it."""

    code: int
    out: str
    err: str
    log: str

    def json(self) -> Any:
        """What it said with `--json`; StudyError, with its own line, where it refused."""
        try:
            found = json.loads(self.out)
        except ValueError:
            said = (self.err or self.out).strip().splitlines()
            raise StudyError(f"on the head: {said[-1] if said else f'it ended with {self.code}'}") from None
        if self.code == 2 and isinstance(found, dict) and "error" in found:
            raise StudyError(f"on the head: {found['error']}")
        return found


def submit(
    cluster: Cluster,
    action: str,
    study: str,
    words: Sequence[str],
    own: Mapping[str, Path],
    *,
    digest: str = "",
    variables: Mapping[str, str] | None = None,
) -> str:
    """Start `study ACTION WORDS` on the head, as the driver of a study; the job's id.

    StudyError where a driver of this study waits or runs there already.
    """
    if running := driver(cluster, study):
        raise StudyError(
            f"study '{study}' is under way at {cluster.address} already, as job {running.id}; see "
            f"'study status {study} --address {cluster.address}', or end it with 'study stop'"
        )
    metadata = {"study": study, "action": action, **({"digest": digest} if digest else {})}
    return _start(cluster, f"{study}-{action}", [action, *words, *ON_THE_CLUSTER], metadata, own, variables or {})


def driver(cluster: Cluster, study: str) -> Job | None:
    """The job that launches or confirms a study now, if one does."""
    return next((job for job in cluster.jobs(study) if job.action in DRIVERS and job.under_way), None)


def newest(cluster: Cluster, study: str) -> Job | None:
    """The last job that was submitted to launch or confirm a study."""
    return next((job for job in cluster.jobs(study) if job.action in DRIVERS), None)


def ask(cluster: Cluster, *words: str) -> Answer:
    """What `study WORDS` says on the head, in a job of its own; StudyError where that job came to nothing."""
    return _asked(cluster, ["ask", *words])


def ask_raw(cluster: Cluster, *words: str) -> Answer:
    """What `study.remote.head` itself answers to `words`."""
    return _asked(cluster, list(words))


def names_of_variables(uri: str | None) -> list[str]:
    """The environment variables that a tracking address names."""
    return list(dict.fromkeys(PLACEHOLDER.findall(uri or "")))


def _asked(cluster: Cluster, words: list[str]) -> Answer:
    job = _start(cluster, QUESTION, words, {"study": "", "action": QUESTION}, {}, {})
    deadline = time.monotonic() + START_S
    try:
        while (found := cluster.job(job)).under_way:
            if found.state == "PENDING" and time.monotonic() > deadline:
                cluster.stop(job)
                late = f"the head has not started job {job} within {START_S:g} s"
                raise StudyError(f"{cluster.address}: {late}; its dashboard says more")
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        cluster.stop(job)
        raise
    log = cluster.log(job)
    try:
        payload = unframed("answer", log)
    except DamagedError as problem:
        raise StudyError(f"{cluster.address}: the answer of job {job} is damaged: {problem}; ask again") from None
    if payload is None:
        raise StudyError(f"{cluster.address}: job {job} came to nothing: {found.why()}")
    cluster.forget(job)
    return Answer(**json.loads(zlib.decompress(payload)), log=log)


def _start(
    cluster: Cluster,
    kind: str,
    words: Sequence[str],
    metadata: Mapping[str, str],
    own: Mapping[str, Path],
    variables: Mapping[str, str],
) -> str:
    job = f"{kind}-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="study-submit-") as scratch:
        folder = Path(scratch, "code")
        stage(folder, dict(own))
        cluster.submit(
            job, shlex.join([*ON_HEAD, *words]), folder, metadata, {"STUDY_COMMIT": git_commit(), **variables}
        )
    return job
