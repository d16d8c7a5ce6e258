"""Where a command runs its trials: the options that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from study.running.site import Site

ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Run on the Ray cluster that is there; auto finds the one of this machine.",
    ),
]
MaxConcurrent = Annotated[
    int | None,
    typer.Option("--max-concurrent", metavar="N", min=1, help="Run no more trials than this at a time."),
]


def site_of(address: str | None, most: int | None) -> Site:
    """The cluster at an address, or without one this machine; it runs at `most` so many trials at a time."""
    if address is None:
        from study.running.site import ThisMachine

        return ThisMachine(most)
    from study.running.cluster.site import RunningCluster

    return RunningCluster(address, most)
