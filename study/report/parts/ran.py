"""What ran: how trials ended, on what, with which code and data."""

from __future__ import annotations

import statistics
import time
from collections import Counter

from study.records import states
from study.report.document import Block, Entry, Items, Paragraph, Section, Table
from study.report.gather import SIZES, Material
from study.report.words import NOTHING, listed
from study.results.numbers import counted
from study.results.selection import CellResult


def section(material: Material) -> Section:
    """States, time, machines, versions, hashes of data."""
    blocks: list[Block] = [Paragraph(_text(material)), _states(material), _data(material)]
    for place, environment in enumerate(material.environments):
        packages = ", ".join(f"{name} {version}" for name, version in environment.get("packages", {}).items())
        facts = [f"commit {environment['commit']}"] if "commit" in environment else []
        facts += [f"Python {environment['python']}"] if "python" in environment else []
        facts += [environment["platform"]] if "platform" in environment else []
        if "cpus" in environment:
            facts.append(f"{environment['cpus']} CPU cores, {environment.get('gpus', 0)} GPUs")
        title = f"Launch {place + 1}: " if len(material.environments) > 1 else ""
        blocks.append(Items(tuple(text for text in (f"{title}{'; '.join(facts)}", packages) if text)))
    return Section("What ran", tuple(blocks))


def _text(material: Material) -> str:
    trials = [trial for trial in material.trials.values() if trial.started_at is not None]
    seconds = sum(cell.seconds for cell in (*material.searched, *material.confirmed))
    spent = f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds / 60:,.1f} minutes"
    text = f"{spent} of training, summed over trials."
    if trials:
        first = min(trial.started_at for trial in trials if trial.started_at is not None)
        ends = [trial.ended_at for trial in trials if trial.ended_at is not None]
        text += f" First trial started {_date(first)}"
        text += f", last one ended {_date(max(ends))}." if ends else "."
    devices = Counter(str(t.facts["device"]) for t in trials if t.facts.get("device"))
    if devices:
        on = [f"{name} ({counted(count, 'trial')})" for name, count in devices.most_common()]
        text += f" Trained on {listed(on)}."
    text += " Energy was not measured."
    if material.running:
        text += " The study was still running when this was written."
    if material.outside:
        text += f" {counted(material.outside, 'trial')} that ran are out of the study file's scope now, and left out."
    return text


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _states(material: Material) -> Table:
    phases = {"search": material.searched, "confirm": material.confirmed}
    shown = [s for s in states.STATES if any(cell.counts[s] for cells in phases.values() for cell in cells)]
    rows: list[tuple[Entry, ...]] = []
    for phase, cells in phases.items():
        if cells:
            counts = sum((cell.counts for cell in cells), Counter())
            rows.append((phase, str(counts.total()), *(str(counts[state]) for state in shown)))
    columns = ("phase", "trials", *(state.replace("_", " ") for state in shown))
    return Table("states", "How trials ended", "lr" + "r" * len(shown), columns, tuple(rows))


def _data(material: Material) -> Table:
    rows: list[tuple[Entry, ...]] = []
    for task, cells in material.tasks.items():
        cell = next((cell for cell in cells if cell.best), None)
        if cell is not None:
            sizes = [NOTHING if count is None else f"{count:,}" for count in material.sizes(cell).values()]
            rows.append((task, *sizes, *_hashes(material, cell)))
    return Table(
        "data",
        "Data",
        "lrrrllrr",
        ("task", *SIZES, "data set", "split", "noise asked for", "labels really changed"),
        tuple(rows),
        f"{_one_image(material)}Hashes of what every family of a task was trained on. Labels really changed: the share "
        "of training labels that differ from the true ones, mean over the repeats of the search (n in brackets)."
        + _drawn_anew(material),
    )


def _drawn_anew(material: Material) -> str:
    """Why fewer labels change than the rate says."""
    if all(cell.facts["noise_kind"] != "uniform" for cell in material.searched):
        return ""
    return (
        " Uniform noise draws a share of the labels anew from all C classes, so that a draw may be the label that it "
        "replaces: about rate × (1 − 1/C) of the labels change."
    )


def _one_image(material: Material) -> str:
    """What scores of few images can differ by at least."""
    found = [material.sizes(cell) for cell in material.searched if cell.best]
    said = []
    for name in SIZES[1:]:
        fewest = min((counts[name] or 0 for counts in found), default=0)
        said += [f"{1 / fewest:.4f} of an accuracy in {name}"] if fewest else []
    return f"One image, of the smallest set, is {listed(said)}. " if said else ""


def _hashes(material: Material, cell: CellResult) -> tuple[str, str, str, str]:
    assert cell.best is not None
    trials = cell.best.trials
    described = material.described[trials[0].key]
    rates = [rate for trial in trials if (rate := trial.facts.get("noise_rate_realised")) is not None]
    realised = f"{statistics.fmean(rates):.4f} (n {len(rates)})" if rates else "unknown"
    return (
        described["dataset"]["digest"],
        str(trials[0].facts.get("split_digest", "unknown")),
        f"{cell.facts['noise_rate']:g}",
        realised,
    )
