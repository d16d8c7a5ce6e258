"""study logs"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from study.cli.output import AsJson, print_json
from study.errors import StudyError


def logs(
    name: Annotated[str, typer.Argument(metavar="NAME|JOB", help="A submitted study, or the id of a job.")],
    address: Annotated[
        str, typer.Option("--address", metavar="URL", help="The head's dashboard, as in http://head:8265.")
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """What a study's job has written on a cluster; of several, the last that was submitted.

    Example: study logs quickstart --address http://head:8265 --follow
    """
    from study.remote.client import Cluster
    from study.remote.jobs import newest

    if follow and as_json:
        raise StudyError("--follow has no end to make JSON of; leave out one of --follow and --json")
    cluster = Cluster(address)
    job = newest(cluster, name) or cluster.job(name)
    if follow:
        for text in cluster.follow(job.id):
            sys.stdout.write(text)
            sys.stdout.flush()
        job = cluster.job(job.id)
    log = cluster.log(job.id)
    if as_json:
        print_json({"job": job.id, "study": job.study, "state": job.state, "log": log})
    elif not log and not job.under_way:
        raise StudyError(f"job {job.id} {job.state} without a word: {job.why()}")
    elif not follow:
        sys.stdout.write(log)
