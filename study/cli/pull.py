"""study pull"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from study.cli.output import AsJson, HeadUrl, StudyName, console, print_json, program
from study.cli.site import storage_for
from study.errors import StudyError


def pull(
    name: StudyName,
    address: HeadUrl = None,
    storage: Annotated[
        str | None, typer.Option("--storage", metavar="URI", help="From the copy that lies there, in place of a head.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Another home of studies than this machine's.")
    ] = None,
    weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Bring the exports' weights too.")] = True,
    checkpoints: Annotated[
        bool,
        typer.Option("--checkpoints", help="Bring the best configs' checkpoints too, to export and report from anew."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a study home from a cluster, or from its storage: ledger, exports and report, checked by hash.

    It may still be running.

    Pulling again renews it. A study here that is no older copy of that one is never overwritten.

    Example: study pull quickstart --address http://head:8265
    """
    from study.records.paths import Home
    from study.remote.client import Cluster
    from study.remote.pull import pull as run
    from study.remote.pull import pull_copy

    if (address is None) == (storage is None):
        raise StudyError("say where from: --address URL of a cluster's head, or --storage URI")
    progress = Console(stderr=True)
    home = Home(to.expanduser().absolute()) if to else Home.current()
    if address is None:
        pulled = pull_copy(home, name, storage_for(storage, home.study(name)))
    else:
        pulled = run(
            Cluster(address),
            name,
            home,
            weights=weights,
            checkpoints=checkpoints,
            say=lambda done, of: progress.print(f"[dim]{done / 1e6:.1f} of {of / 1e6:.1f} MB[/]"),
        )
    if as_json:
        print_json(
            {
                "study": name,
                "folder": str(pulled.paths.root),
                "files": pulled.files,
                "bytes": pulled.bytes,
                "renewed": pulled.renewed,
            }
        )
        return
    console.print(f"{'Renewed' if pulled.renewed else 'Pulled'} {pulled.paths.root}: {pulled.files} files")
    where = f"STUDY_HOME={home.root} " if to else ""
    console.print(f"Next: {where}{program()} compare {name}, {program()} report {name}")
