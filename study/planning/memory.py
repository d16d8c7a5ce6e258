"""How much memory trials take, and how many fit: of each kind that trains as one program, from an epoch of one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from study.planning.plan import Task
from study.planning.preflight import memory_share, num_workers
from study.spec import StudySpec
from trainables.trial import Trial

if TYPE_CHECKING:
    from trainables.engine.room import Memory


@dataclass
class MemoryNeed:
    """What one trial of a kind takes, in bytes, on top of what its process holds, and how many fit.

    On the CPU it is what the process grew by, on a GPU the peak of torch's allocator.
    """

    kind: str
    families: list[str]
    device: str
    bytes_per_trial: int
    lanes_that_fit: int


@dataclass
class MemoryGauge:
    """Measures a trial of each kind as its pilot trains: the needs by the trials' signatures.

    `doubts` says in a sentence each which loss was no finite number meanwhile.
    """

    spec: StudySpec
    needs: dict[str, MemoryNeed] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def device(self) -> str:
        """What the study trains on."""
        return "cuda" if self.spec.resources.gpus else "cpu"

    def knows(self, trial: Trial, family: str) -> bool:
        """Whether a trial of this kind was measured; `family` is then one of those that it is said of."""
        need = self.needs.get(signature(trial))
        if need is not None and family not in need.families:
            need.families.append(family)
        return need is not None

    @contextmanager
    def measuring(self, trial: Trial, task: Task, family: str) -> Iterator[None]:
        """Inside it a lane of this trial, of which nothing is there yet, joins its array and trains an epoch."""
        from trainables.engine.memory import hand_back_freed_memory
        from trainables.engine.resolve import trial_modules
        from trainables.engine.room import FILLED, memory_of

        if self.knows(trial, family):
            yield
            return
        memory = memory_of(self.device)
        hand_back_freed_memory()
        free, before = memory_share(self.spec, num_workers(self.spec)) * memory.free(), memory.held()
        memory.restart()
        yield
        each = max(1, round(memory.peak() - before))
        fit = int(FILLED * (free - self._of_a_process(memory, before)) / each)
        kind = f"{task.model_name} on {task.dataset.title}, batches of {trial['training']['batch_size']}"
        if (modules := trial_modules(trial["loss"])) is not None:
            kind += f", modules at {modules}"
        self.needs[signature(trial)] = MemoryNeed(kind, [family], self.device, each, max(0, fit))

    def _of_a_process(self, memory: Memory, held: float) -> float:
        """What a process that trains holds before it does, as this one, which has the same libraries; not on a GPU."""
        return held if self.device == "cpu" else 0.0


def signature(trial: Trial) -> str:
    """What trials of one study have in common whose lanes train in one array (`trainables/engine/host.py`).

    ValueError where the trial's loss is not to be had any more.
    """
    from trainables.engine.resolve import trial_modules

    training: dict[str, Any] = trial["training"]
    shared = [training.get(name) for name in ("batch_size", "precision", "normalise")]
    kind = [training["optimizer"].get(name) for name in ("name", "nesterov")]
    images, model = trial["dataset"]["digest"], [trial["model"], trial.get("model_code", "")]
    return json.dumps([images, model, shared, kind, trial_modules(trial["loss"])], sort_keys=True)
