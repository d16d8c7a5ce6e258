"""A Dockerfile read into stages and instructions, as far as ours goes."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"


@dataclass(frozen=True)
class Instruction:
    """`RUN`, `COPY`, ... and what follows, in one line."""

    name: str
    rest: str

    @property
    def command(self) -> str:
        """What a RUN runs, without its mounts."""
        return re.sub(r"^(--mount=\S+\s+)+", "", self.rest)

    @property
    def source_stage(self) -> str | None:
        """The stage that a COPY takes its files from."""
        found = re.match(r"--from=(\S+)", self.rest)
        return found[1] if found else None

    @property
    def files(self) -> list[str]:
        """What a COPY copies, and where to as the last one."""
        return [word for word in shlex.split(self.rest) if not word.startswith("--")]


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name == name]


def read(path: Path = DOCKERFILE) -> dict[str, Stage]:
    """The stages by name, in their order."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages: dict[str, Stage] = {}
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            base, stage = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()
            stages[stage] = Stage(stage, base)
        elif name:
            stages[stage].instructions.append(Instruction(name, rest))
    return stages


def lineage(stages: dict[str, Stage], target: str) -> list[Stage]:
    """The stage and those that it is made from, the oldest first."""
    stage = stages[target]
    return [*lineage(stages, stage.base), stage] if stage.base in stages else [stage]


def needed(stages: dict[str, Stage], target: str) -> list[Stage]:
    """All stages that a build of `target` runs, each after those that it needs."""
    found: dict[str, Stage] = {}

    def visit(name: str) -> None:
        stage = stages[name]
        for other in [stage.base, *(each.source_stage for each in stage.all("COPY"))]:
            if other in stages and other not in found:
                visit(other)
        found[name] = stage

    visit(target)
    return list(found.values())
