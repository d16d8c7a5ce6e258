"""Every figure of a GPU, the most important first, within a given time.

    python -m benchmarks.gpu                                      all of it
    python -m benchmarks.gpu --budget 540 --results DIR           what can be had in nine minutes
    python -m benchmarks.gpu --only "lanes/resnet/study/*"        these rows, measured anew
    python -m benchmarks.gpu --smoke --results DIR                on the CPU, tiny: that it works
    python -m benchmarks.gpu --print                              the tables of what there is

Checks, ceilings, lanes, losses, profile and pipeline each have a file `gpu-NAME.json` in `--results`, which is written
after every row; a row that is there, failed or not, is not measured again unless `--only` names it. So a run that was
cut goes on where it stood. Each kind of row runs in a process of its own with a time limit; one that fails or takes too
long is a row with the reason, and the rest goes on. Needs torch, torchvision, numpy and scikit-learn alone.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.gpu_table import tables
from benchmarks.machine import ROOT, describe_run, headline
from trainables.engine.graphs import SWITCH

RESULTS = ROOT / "benchmarks" / "results"
NAMES = ("checks", "ceilings", "lanes", "losses", "profile", "pipeline")
START_S = 60.0  # for a process to import torch and to open the GPU
WORTH_S = 20.0  # less is not worth a start
CHECK_S, OTHER_S = 90.0, 150.0
SMOKE_LANES = 2

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """Rows that one process measures: `python -m MODULE OPTIONS`, then what `keys` are to it.

    `ids` names each row in the order in which its line comes, `row_s` seconds after the one before at the most. With
    `whole` all lines belong to the only name.
    """

    name: str
    module: str
    options: tuple[str, ...]
    ids: tuple[str, ...]
    row_s: float
    flag: str = ""
    keys: tuple[str, ...] = ()
    about: tuple[tuple[str, Any], ...] = ()
    whole: bool = False

    def only(self, wanted: Sequence[str]) -> Job:
        """The same for some of its rows."""
        kept = [place for place, each in enumerate(self.ids) if each in wanted]
        keys = tuple(self.keys[place] for place in kept) if self.keys else ()
        return replace(self, ids=tuple(self.ids[place] for place in kept), keys=keys)

    def command(self) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", self.module, *self.options, *([self.flag, *self.keys] if self.keys else [])]


def jobs(device: str, *, smoke: bool) -> list[Job]:
    """All there is to measure, in the order of importance."""
    from benchmarks.gpu_checks import CHECKS
    from benchmarks.plan import PLAN, TECHNIQUES

    on = ("--device", device)
    names = tuple(f"checks/{name}" for name in CHECKS)
    found = [Job("checks", "benchmarks.gpu_checks", on, names, CHECK_S, "--checks", tuple(CHECKS))]
    options = (*on, "--size", "256") if smoke else on
    found.append(Job("ceilings", "benchmarks.gpu_ceilings", options, ("ceilings/all",), OTHER_S, whole=True))
    seen = set()
    for part in PLAN:
        workload = "tiny" if smoke else part.workload
        lanes = [count for count in part.lanes if not smoke or count <= SMOKE_LANES]
        ids = [f"lanes/{workload}/{part.technique}/{count}" for count in lanes]
        options = ("--workload", workload, "--technique", part.technique, *on)
        options += ("--batches", "2", "--rounds", "2") if smoke else ()
        if lanes and ids[0] not in seen:
            keys, row_s = tuple(map(str, lanes)), TECHNIQUES[part.technique].row_s
            about = (("workload", workload), ("technique", part.technique), ("device", device))
            found.append(Job("lanes", "benchmarks.gpu_rows", options, tuple(ids), row_s, "--lanes", keys, about))
        seen.update(ids)
    few = ("--repeats", "2", "--calls", "2") if smoke else ()
    found.append(Job("losses", "benchmarks.losses", (*on, "--lines", *few), ("losses/all",), OTHER_S, whole=True))
    for technique in ("folded",) if smoke else ("folded", "compiled"):
        options = ("--technique", technique, *on, *(("--workload", "tiny", "--lanes", "2") if smoke else ()))
        ids = (f"profile/{technique}",)
        found.append(Job("profile", "benchmarks.gpu_profile", options, ids, OTHER_S, whole=True))
    few = ("--images", "2000") if smoke else ()
    found.append(Job("pipeline", "benchmarks.pipeline", (*few, "--lines"), ("pipeline/all",), OTHER_S, whole=True))
    return found


class Results:
    """The files of rows, written after each."""

    def __init__(self, folder: Path, facts: Row) -> None:
        self.folder, self.facts = folder, facts
        self.documents: dict[str, Row] = {}
        for name in NAMES:
            path = self.path(name)
            self.documents[name] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": []}

    def path(self, name: str) -> Path:
        """The file of a kind of rows."""
        return self.folder / f"gpu-{name}.json"

    def has(self, name: str, identity: str) -> bool:
        """Whether there is such a row."""
        return any(row["id"] == identity for row in self.documents[name]["rows"])

    def put(self, name: str, identity: str, rows: Sequence[Row]) -> None:
        """Rows in the place of those of this name; on disk when it returns."""
        document = self.documents[name]
        kept = [row for row in document["rows"] if row["id"] != identity]
        stamp = {"id": identity, "date": self.facts["date"], "commit": self.facts["commit"]}
        document |= {"facts": self.facts, "rows": kept + [stamp | row for row in rows]}
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.path(name).with_suffix(".draft")
        draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        os.replace(draft, self.path(name))


def lines_of(command: Sequence[str], limits: Iterator[float]) -> Generator[Row | str, None, None]:
    """The rows that a command prints, then a sentence if it broke or the next of `limits` passed before a row came."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, cwd=ROOT, process_group=0,
            env=os.environ | {SWITCH: "1"},
        )  # fmt: skip
        assert child.stdout is not None
        printed: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            for line in child.stdout:
                printed.put(line)
            printed.put(None)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            for limit in limits:
                try:
                    line = printed.get(timeout=limit)
                    while line is not None and not line.startswith("{"):
                        line = printed.get(timeout=limit)
                except queue.Empty:
                    yield f"took more than {limit:.0f} s"
                    return
                if line is None:
                    break
                yield json.loads(line)
            if child.wait(timeout=START_S):
                said.seek(0)
                yield f"ended with {child.returncode}: {([*filter(str.strip, said)] or ['no word'])[-1].strip()[:300]}"
        finally:
            _end(child)
            reader.join()
            child.stdout.close()


def _end(child: subprocess.Popen[str]) -> None:
    """End a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def run(job: Job, results: Results, deadline: float) -> None:
    """Measure the rows of a job; after one that broke its process or took too long, the others in a new one."""
    waiting = list(job.ids)
    while waiting and deadline - time.monotonic() > WORTH_S:
        short = job.only(waiting)
        found: list[Row] = []
        problem = ""
        with closing(lines_of(short.command(), _limits(short, deadline))) as lines:
            for line in lines:
                if isinstance(line, str):
                    problem = line
                elif job.whole:
                    found.append(line)
                else:
                    results.put(job.name, waiting[0], [line])
                    print(f"{waiting[0]}: {brief(line)}", flush=True)
                    del waiting[0]
                    if not waiting:
                        return
        if job.whole and not problem:
            results.put(job.name, waiting[0], found)
            print(f"{waiting[0]}: {len(found)} rows", flush=True)
            return
        if deadline - time.monotonic() <= 0:  # for want of time, not for a fault of its own
            return
        reason = problem or "it ended before its time"
        print(f"{waiting[0]}: failed: {reason}", flush=True)
        results.put(job.name, waiting[0], [*found, _about(job, waiting[0]) | {"failed": reason}])
        del waiting[0]


def _about(job: Job, identity: str) -> Row:
    """What a row is of, where its process could not say."""
    known = dict(job.about)
    if job.name == "checks":
        known["check"] = identity.partition("/")[2]
    if job.keys and job.name == "lanes":
        known["lanes"] = int(identity.rpartition("/")[2])
    return known


def _limits(job: Job, deadline: float) -> Iterator[float]:
    """Seconds that may pass until the first, the next, ... line comes."""
    yield min(START_S + job.row_s, max(0.0, deadline - time.monotonic()))
    while True:
        yield min(job.row_s, max(0.0, deadline - time.monotonic()))


def brief(row: Row) -> str:
    """A row in a few words."""
    if "failed" in row:
        return f"failed: {row['failed']}"
    if "seconds" in row and "images" in row:
        return f"{row['images'] / min(row['seconds']):,.0f} images/s"
    return ", ".join(f"{name} {value:.3g}" for name, value in row.items() if isinstance(value, float))


def main() -> None:
    """Measure what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds within which to end")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the gpu-*.json files")
    parser.add_argument("--only", nargs="+", help="names of rows to measure, anew too; * stands for anything")
    parser.add_argument("--commit", help="what to record as the commit where this is no checkout")
    parser.add_argument("--smoke", action="store_true", help="on the CPU, tiny")
    parser.add_argument("--print", action="store_true", help="print the tables and measure nothing")
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.budget
    if not arguments.print:
        import torch

        facts = describe_run()
        if arguments.commit and facts["commit"] == "unknown":
            facts["commit"] = arguments.commit
        device = "cpu" if arguments.smoke else "cuda"
        if device == "cuda" and not torch.cuda.is_available():
            print("There is no GPU here: nothing is measured. `--smoke` tries everything on the CPU.")
        else:
            facts |= {"gpu": torch.cuda.get_device_name() if device == "cuda" else "none", "cuda": torch.version.cuda}
            print(headline(facts), f"GPU: {facts['gpu']}", flush=True)
            results = Results(arguments.results, facts)
            for job in jobs(device, smoke=arguments.smoke):
                if arguments.only:
                    wanted = [i for i in job.ids if any(fnmatch.fnmatchcase(i, each) for each in arguments.only)]
                else:
                    wanted = [i for i in job.ids if not results.has(job.name, i)]
                if wanted:
                    run(job.only(wanted), results, deadline)
    print(tables(Results(arguments.results, {}).documents))


if __name__ == "__main__":
    main()
