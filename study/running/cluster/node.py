"""A machine of a cluster: what it has, and how many processes that train fit there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from study.errors import StudyError
from study.spec.running import ResourcesSpec


@dataclass(frozen=True)
class Node:
    """One that lives. `resources` is what Ray counts: `CPU`, `GPU`, `accelerator_type:H100` and others."""

    id: str
    name: str
    resources: Mapping[str, float]

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def cpus(self) -> float:
        """How many cores Ray may hand out."""
        return self.resources.get("CPU", 0.0)

    @property
    def gpus(self) -> float:
        """How many GPUs Ray may hand out."""
        return self.resources.get("GPU", 0.0)

    def room(self, wanted: ResourcesSpec) -> int:
        """How many processes that train fit there at a time."""
        by_cpus = _fits(wanted.cpus, self.cpus)
        if not wanted.gpus:
            return by_cpus
        by_gpus = int(self.gpus) * _fits(wanted.gpus, 1) if wanted.gpus < 1 else _fits(wanted.gpus, self.gpus)
        return min(by_cpus, by_gpus)


def _fits(each: float, whole: float) -> int:
    return int(whole / each + 1e-9)  # 0.3 fits three times into 0.9, whatever their binary forms say


def titles(nodes: Iterable[Node]) -> dict[str, str]:
    """What sentences call each node, by id: its name, and where several have one of those a part of its id."""
    listed = list(nodes)
    names = [node.name for node in listed]
    return {node.id: node.name if names.count(node.name) == 1 else f"{node.name} ({node.id[:8]})" for node in listed}


def check_room(wanted: ResourcesSpec, nodes: Sequence[Node], address: str) -> None:
    """StudyError where a trial asks for more than any node has."""
    named = titles(nodes)
    for key, what, asked in (("cpus", "CPU", wanted.cpus), ("gpus", "GPU", wanted.gpus)):
        best = max(nodes, key=lambda node: node.resources.get(what, 0.0))
        most = best.resources.get(what, 0.0)
        if asked > most:
            has = f"{named[best.id]} has most, {most:g}; --set resources.{key}={most:g} or" if most else "none has any;"
            raise StudyError(
                f"resources.{key} = {asked:g}: no node of the cluster at {address} has so many {what}s, {has} add a "
                "node"
            )
    if not any(node.room(wanted) for node in nodes):
        raise StudyError(
            f"resources.cpus = {wanted.cpus:g} and resources.gpus = {wanted.gpus:g}: no node of the cluster at "
            f"{address} has both; ask for less, or add a node"
        )
