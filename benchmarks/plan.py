"""Which techniques are measured on a GPU, on which network, with how many lanes, the most important first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks import techniques
from benchmarks.lane_work import RESNET, WIDE, Setting
from benchmarks.processes import processes
from benchmarks.techniques import Training

LANES = (16, 64, 1, 4, 32, 8, 2)
PROCESSES = (4, 16, 8, 2)
COMPILED = (16, 32, 8, 2)  # each takes a minute to compile
ROW_S, COMPILED_S = 75.0, 200.0


@dataclass(frozen=True)
class Technique:
    """How to make a technique's training, in which precision, and within how many seconds a row must be measured.

    `tuned`: cuDNN tries its algorithms instead of guessing the fastest. `lone`: for one network at a time.
    """

    make: Callable[[Setting], Training]
    lone: bool = False
    precision: str = "bf16"
    tuned: bool = False
    row_s: float = ROW_S


@dataclass(frozen=True)
class Part:
    """Rows of one technique on one workload."""

    workload: str
    technique: str
    lanes: tuple[int, ...]


TECHNIQUES = {
    "eager float32": Technique(techniques.eager, lone=True, precision="float32"),
    "eager": Technique(techniques.eager, lone=True),
    "channels last": Technique(partial(techniques.eager, channels_last=True), lone=True),
    "channels last tuned": Technique(partial(techniques.eager, channels_last=True), lone=True, tuned=True),
    "graph": Technique(techniques.graph, lone=True),
    "graph tuned": Technique(techniques.graph, lone=True, tuned=True),
    "processes": Technique(processes, row_s=2 * ROW_S),
    "processes graph": Technique(partial(processes, as_graph=True), row_s=2 * ROW_S),
    "streams graph": Technique(techniques.streams_graph),
    "vmap": Technique(techniques.vmap),
    "vmap graph": Technique(techniques.vmap_graph),
    "folded": Technique(techniques.folded),
    "folded graph": Technique(techniques.folded_graph),
    "folded graph tuned": Technique(techniques.folded_graph, tuned=True),
    "compiled": Technique(techniques.compiled, row_s=COMPILED_S),
    "compiled graph": Technique(partial(techniques.compiled, as_graph=True), row_s=COMPILED_S),
    "study": Technique(techniques.study),
}

PLAN = (
    Part(RESNET.name, "eager", (1,)),
    Part(RESNET.name, "channels last", (1,)),
    Part(RESNET.name, "graph", (1,)),
    Part(RESNET.name, "folded graph", LANES),
    Part(RESNET.name, "study", LANES),
    Part(RESNET.name, "processes", PROCESSES),
    Part(RESNET.name, "streams graph", LANES),
    Part(RESNET.name, "compiled graph", COMPILED),
    Part(WIDE.name, "graph tuned", (1,)),
    Part(RESNET.name, "folded graph tuned", LANES),
    Part(RESNET.name, "vmap graph", LANES),
    Part(RESNET.name, "processes graph", PROCESSES),
    Part(RESNET.name, "graph tuned", (1,)),
    Part(RESNET.name, "folded", LANES),
    Part(RESNET.name, "vmap", LANES),
    Part(WIDE.name, "channels last", (1,)),
    Part(WIDE.name, "eager", (1,)),
    Part(RESNET.name, "eager float32", (1,)),
    Part(RESNET.name, "compiled", COMPILED),
)
