"""Handing `study launch` and `study confirm` to a cluster, for both of them."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from study.cli.output import console, print_json, program
from study.errors import StudyError

if TYPE_CHECKING:
    from study.remote.client import Cluster

Submit = Annotated[
    str | None,
    typer.Option("--submit", metavar="URL", help="Hand it to a cluster's job server, as http://head:8265, and leave."),
]
SendEnv = Annotated[
    list[str] | None,
    typer.Option(
        "--send-env", metavar="NAME", help="With --submit: send this variable's value too; the cluster's jobs show it."
    ),
]

STAY = frozenset({"submit", "send_env", "as_json", "dry_run"})  # options that do not travel


def submit_launch(context: typer.Context, study: str, address: str, send_env: list[str], as_json: bool) -> None:
    """Check a study file here and let the cluster launch it, with all that was asked of `study launch`."""
    from study.planning.smoke import ENDING
    from study.remote.client import Cluster
    from study.remote.code import check
    from study.remote.jobs import names_of_variables, submit

    asked = context.params
    if asked["data"] is not None and not asked["data"].is_absolute():
        raise StudyError(f"--data {asked['data']} counts from this machine's folder; give the cluster's whole path")
    checked = check(study, asked["overrides"] or [])
    name = checked.spec.name + (ENDING if asked["smoke"] else "")
    cluster, variables = Cluster(address), _values(send_env)
    words = [checked.file.name, *words_of(context)]
    job = submit(cluster, "launch", name, words, checked.own, digest=checked.digest, variables=variables)
    needed = names_of_variables(checked.spec.tracking.uri) if checked.spec.tracking.enabled else []
    _tell(cluster, name, job, as_json, digest=checked.digest, needed=[one for one in needed if one not in variables])


def submit_confirm(context: typer.Context, name: str, address: str, send_env: list[str], as_json: bool) -> None:
    """Let the cluster confirm a study that lies there."""
    from study.remote.client import Cluster
    from study.remote.jobs import submit

    cluster = Cluster(address)
    job = submit(cluster, "confirm", name, [name, *words_of(context)], {}, variables=_values(send_env))
    _tell(cluster, name, job, as_json)


def words_of(context: typer.Context) -> list[str]:
    """The options of a command as they were given, to be said again elsewhere."""
    words: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.param_type_name != "option" or parameter.name in STAY or value is None or value is False:
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            words += [parameter.opts[0]] if each is True else [parameter.opts[0], str(each)]
    return words


def _values(names: list[str]) -> dict[str, str]:
    if missing := [name for name in names if not os.environ.get(name)]:
        raise StudyError(f"--send-env {missing[0]}: it is not set here; export it, or set it on the head")
    return {name: os.environ[name] for name in names}


def _tell(
    cluster: Cluster, study: str, job: str, as_json: bool, *, digest: str = "", needed: list[str] | None = None
) -> None:
    if as_json:
        facts: dict[str, Any] = {"study": study, "job": job, "address": cluster.address}
        print_json(facts | ({"digest": digest} if digest else {}) | {"needs": needed or []})
        return
    console.print(f"Study '{study}' is handed over as job {job}; this machine may go.")
    for name in needed or []:
        console.print(
            f"[yellow]tracking.uri names ${{{name}}}[/], which the head must have in its environment, or in a file "
            f"that {name}_FILE names; --send-env {name} sends it, and shows it to whoever sees the cluster's jobs"
        )
    where = shlex.join(["--address", cluster.address])
    console.print(f"How it stands: {program()} status {study} {where}; what it says: {program()} logs {study} {where}")
    console.print(f"End it gently: {program()} stop {study} {where}; bring it home: {program()} pull {study} {where}")
