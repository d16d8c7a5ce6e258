"""The best configurations of a study as files that stand alone: settings, numbers, provenance, weights."""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.ledger import Ledger
from study.paths import StudyPaths
from study.results import CellResult, ConfigResult, cell_results
from study.spec import TrainingSpec
from study.yaml_file import read_document, to_yaml
from trainables.engine.checkpoint_files import CorruptCheckpointError, kept_confusion, network_weights

FORMAT = 1
CONFUSION = ".confusion.csv"  # rows the labels as the trial saw them, columns what was predicted, in images
SIGNATURE = "# Written by 'study export'."
HEADER = SIGNATURE + " Retrain it, without Ray: study train {file}\n"


class UnusableCheckpointError(Exception):
    """The weights of a trial cannot be had any more."""


@dataclass(frozen=True)
class Exported:
    """The YAML files that were written, and a sentence for every cell that was left out."""

    files: list[Path]
    left_out: list[str]


def export_study(paths: StudyPaths, out: Path) -> Exported:
    """Write one YAML per cell, and its weights beside it, into `out`.

    StudyError where there is nothing to export or `out` cannot be written.
    """
    with Ledger(paths.ledger) as ledger:
        results = cell_results(ledger)
        if not any(cell.best for cell in results):
            raise StudyError(f"study '{paths.name}' has no completed trial to export; see 'study status {paths.name}'")
        try:
            out.mkdir(parents=True, exist_ok=True)
            names = file_names(results)
            files, left_out = [], []
            for cell in results:
                name = f"{cell.facts['label']} on {cell.facts['task']}"
                if cell.best is None:
                    left_out.append(f"{name}: no trial is completed yet")
                    continue
                try:
                    files.append(_export_cell(ledger, paths, cell, cell.best, out / names[cell.key]))
                except UnusableCheckpointError as problem:
                    left_out.append(f"{name}: {problem}")
            return Exported(files, left_out)
        except OSError as problem:
            raise StudyError(f"{out}: cannot be written: {problem.strerror}; choose another --out") from None


def drop_stale(paths: StudyPaths) -> None:
    """Remove from the study's own `best` folder what earlier launches wrote of cells that are out of scope now."""
    with Ledger(paths.ledger) as ledger:
        current = set(file_names(cell_results(ledger)).values())
    for file in paths.best.glob("*.yaml"):
        if file.name not in current and file.read_text(encoding="utf-8").startswith(SIGNATURE):
            for ending in (".safetensors", CONFUSION, ".yaml"):
                file.with_suffix(ending).unlink(missing_ok=True)


def file_names(cells: list[CellResult]) -> dict[str, str]:
    """`tce.yaml`, with the axes on which the study's tasks differ: `tce-uniform-0.4.yaml`."""
    axes = [axis for axis in ("dataset", "noise", "model") if len({cell.facts[axis] for cell in cells}) > 1]
    return {
        cell.key: "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", cell.facts[axis]) for axis in ["label", *axes]) + ".yaml"
        for cell in cells
    }


def read_export(path: Path) -> dict[str, Any]:
    """An exported file's values; StudyError where it is not one."""
    if path.suffix not in (".yaml", ".yml"):
        raise StudyError(f"{path}: not an exported configuration; give a YAML file that 'study export' wrote")
    values = read_document(path).values
    parts = ("trial", "run", "exported", "validation", "provenance")
    if values.get("format") != FORMAT or not all(isinstance(values.get(part), dict) for part in parts):
        raise StudyError(f"{path}: not an exported configuration; make one with 'study export'")
    try:
        TrainingSpec.model_validate(values["trial"]["training"])
    except (KeyError, ValueError) as problem:
        said = " ".join(str(problem).split())[:200]
        raise StudyError(f"{path}: its training cannot be run: {said}; export it again") from None
    return values


def _export_cell(ledger: Ledger, paths: StudyPaths, cell: CellResult, best: ConfigResult, file: Path) -> Path:
    sign = 1 if cell.facts["mode"] == "max" else -1
    trial, score = max(zip(best.trials, best.scores, strict=True), key=lambda pair: sign * pair[1])
    spec = ledger.spec() or {}
    description = ledger.trial(trial.key)
    weights = file.with_suffix(".safetensors")
    folder, which = paths.checkpoint(trial.key), spec["select"]["epoch"]
    try:
        data, epoch = network_weights(folder, which)
        confusion = kept_confusion(folder, which)
    except (OSError, ValueError, LookupError, CorruptCheckpointError) as problem:
        raise UnusableCheckpointError(f"its checkpoint is unusable: {problem}") from None
    _write(weights, data)
    if confusion is not None:
        _write(file.with_suffix(CONFUSION), confusion_text(confusion).encode())
    environment = ledger.environment(trial.key)
    facts = dict(trial.facts)
    run = {"threads": facts.pop("threads"), "device": facts.pop("device"), "lane_width": 1}
    run_ids = [ids[trial.key][0] for store in ledger.stores() if trial.key in (ids := ledger.tracked(store))]
    values = {
        "format": FORMAT,
        "family": cell.facts["family"],
        "task": {name: cell.facts[name] for name in ("dataset", "noise", "noise_rate", "model")},
        "params": best.params,
        "validation": {
            "metric": description["monitor"]["metric"],
            "mean": best.mean,
            "sd": best.sd,
            "n": best.n,
            "repeats": list(best.scores),
        },
        "exported": {
            "repeat": trial.repeat,
            "epoch": epoch,
            "score": score,
            "metrics": ledger.report(trial.key, epoch),
        },
        "weights": {
            "file": weights.name,
            "epoch": epoch,
            "sha256": hashlib.sha256(data).hexdigest(),
        },
        "run": run,
        "trial": description,
        "provenance": {
            "study": paths.name,
            "trial_key": trial.key,
            "config_key": best.key,
            "mlflow_run": run_ids[0] if run_ids else None,
            "dataset_digest": description["dataset"]["digest"],
            **facts,
            **environment,
            "exported_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    }
    _write(file, (HEADER.format(file=file.name) + to_yaml(values)).encode())
    return file


def confusion_text(counts: Any) -> str:
    """Counts `[C, C]` as CSV, below a remark with the accuracy of each class; a class without an image has none."""
    pairs = zip(counts.diagonal(), counts.sum(axis=1), strict=True)
    shares = [f"{right / images:.4f}" if images else "none" for right, images in pairs]
    rows = [",".join(map(str, row)) for row in counts]
    return "\n".join([f"# accuracy of each class: {' '.join(shares)}", *rows, ""])


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(data)
    os.replace(draft, path)
