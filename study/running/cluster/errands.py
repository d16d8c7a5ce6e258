"""A function that is run on nodes of the cluster, on each once, and what it came to there.

For what files cannot do where nodes share none: they are looked at, written and removed where they lie.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.running.cluster.node import Node


class NoAnswerError(Exception):
    """A node that did not answer in time, or is gone."""


def run_on(nodes: Iterable[str], errand: Callable[..., Any], *arguments: Any, timeout_s: float) -> dict[str, Any]:
    """What `errand(*arguments)` returned, or the exception that it raised, on each of these nodes, given by id."""
    task = ray.remote(num_cpus=0, max_retries=0)(errand)
    asked = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(*arguments): node
        for node in nodes
    }
    if not asked:
        return {}
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=timeout_s)
    found: dict[str, Any] = {asked[future]: NoAnswerError(f"no answer for {timeout_s:g} s") for future in late}
    for future in done:
        try:
            found[asked[future]] = ray.get(future)
        except RayTaskError as problem:
            found[asked[future]] = problem.cause
        except RayError as problem:
            found[asked[future]] = NoAnswerError(str(problem).strip().splitlines()[0])
    for future in late:
        ray.cancel(future, force=True)
    return found


def living_nodes() -> list[Node]:
    """The nodes that live, as the head knows it."""
    return [Node(found["NodeID"], found["NodeName"], found["Resources"]) for found in ray.nodes() if found["Alive"]]


def ask_to_leave(stop_file: str) -> None:
    """Tell the trials of a node to finish their epoch, save and leave."""
    Path(stop_file).parent.mkdir(parents=True, exist_ok=True)
    Path(stop_file).touch()


def clean_up(folder: str) -> None:
    """Remove what a launch wrote into a node's temporary folder."""
    shutil.rmtree(folder, ignore_errors=True)


def kill(pid: int) -> None:
    """End a process of the node."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
