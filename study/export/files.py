"""Writing a study's best configurations."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import save

from study.errors import StudyError
from study.export.card import card_text
from study.export.champions import champions, differing_axes
from study.export.values import confirmed_values, described_input, exported_values
from study.records.ledger import CONFIRM, Ledger
from study.records.paths import Home, StudyPaths
from study.results.selection import CellResult, ConfigResult, cell_results, nothing_completed, ranked, why_fewer
from study.spec.yaml_file import to_yaml
from study.storage.checkpoints import checkpoint_here
from trainables.engine.checkpoint_files import CorruptCheckpointError, kept_confusion, network_weights

Format = Literal["yaml", "json"]

CONFUSION = ".confusion.csv"  # rows the labels as the trial saw them, columns what was predicted, in images
NORMALISATION = ".normalisation.safetensors"
WEIGHTS, CARD = ".safetensors", ".md"
SIGNATURE = "# Written by 'study export'."
HEADER = SIGNATURE + " Retrain it, without Ray: study train {file}\n"
JSON_SIGNATURE = '{\n  "format": '
BELOW = re.compile(r"-top\d+$")  # what the file of a config that is not its cell's best has in its name


class UnusableCheckpointError(Exception):
    """The weights of a trial cannot be had any more."""


@dataclass(frozen=True)
class Exported:
    """The YAML or JSON files that were written, a sentence for every cell that was left out, and for what lacks."""

    files: list[Path]
    left_out: list[str]
    notes: list[str] = field(default_factory=list)


def export_study(
    paths: StudyPaths, out: Path, *, form: Format = "yaml", top: int = 1, weights: bool = True
) -> Exported:
    """Write the `top` best configs of each cell into `out`, a file each, with weights and a model card beside it.

    StudyError where there is nothing to export or `out` cannot be written.
    """
    with Ledger(paths.ledger) as ledger:
        results = cell_results(ledger)
        if not any(cell.best for cell in results):
            raise StudyError(nothing_completed(paths.name, results, "to export"))
        names = file_names(results)
        exported, writer = Exported([], []), _Writer(ledger, paths, form, weights)
        try:
            out.mkdir(parents=True, exist_ok=True)
            for cell in results:
                title = f"{cell.facts['label']} on {cell.facts['task']}"
                if cell.best is None:
                    exported.left_out.append(f"{title}: no trial is completed yet")
                found = ranked(cell)[:top]
                if found and (why := why_fewer(cell, top)):
                    exported.notes.append(f"{title}: {len(found)} of {top} exported; {why}")
                for rank, config in enumerate(found, 1):
                    file = out / _file_name(names[cell.key], rank, form)
                    try:
                        exported.notes.extend(f"{file.name}: {note}" for note in writer.write(cell, config, rank, file))
                        exported.files.append(file)
                    except UnusableCheckpointError as problem:
                        which = f", config {rank} of its best" if rank > 1 else ""
                        exported.left_out.append(f"{title}{which}: {problem}")
            writer.write_cards(differing_axes([cell.facts for cell in results]))
        except OSError as problem:
            raise StudyError(f"{out}: cannot be written: {problem.strerror}; choose another --out") from None
        return exported


def drop_stale(paths: StudyPaths) -> None:
    """Remove from the study's own `best` folder what earlier launches wrote of cells that are out of scope now."""
    with Ledger(paths.ledger) as ledger:
        current = {name.removesuffix(".yaml") for name in file_names(cell_results(ledger)).values()}
    for file in [*paths.best.glob("*.yaml"), *paths.best.glob("*.json")]:
        ours = file.read_bytes().startswith((SIGNATURE.encode(), JSON_SIGNATURE.encode()))
        if ours and BELOW.sub("", file.name.removesuffix(file.suffix)) not in current:
            for ending in (WEIGHTS, CONFUSION, NORMALISATION, CARD, file.suffix):
                file.with_suffix(ending).unlink(missing_ok=True)


def file_names(cells: list[CellResult]) -> dict[str, str]:
    """`tce.yaml`, with the axes on which the study's tasks differ: `tce-uniform-0.4.yaml`."""
    axes = differing_axes([cell.facts for cell in cells])
    return {
        cell.key: "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", cell.facts[axis]) for axis in ["label", *axes]) + ".yaml"
        for cell in cells
    }


def confusion_text(counts: Any) -> str:
    """Counts `[C, C]` as CSV, below a remark with the accuracy of each class; a class without an image has none."""
    pairs = zip(counts.diagonal(), counts.sum(axis=1), strict=True)
    shares = [f"{right / images:.4f}" if images else "none" for right, images in pairs]
    rows = [",".join(map(str, row)) for row in counts]
    return "\n".join([f"# accuracy of each class: {' '.join(shares)}", *rows, ""])


def _file_name(name: str, rank: int, form: Format) -> str:
    return f"{name.removesuffix('.yaml')}{f'-top{rank}' if rank > 1 else ''}.{form}"


@dataclass
class _Writer:
    """Writes one config after another, with all that lies beside it."""

    ledger: Ledger
    paths: StudyPaths
    form: Format
    weights: bool

    def __post_init__(self) -> None:
        self.confirmed = cell_results(self.ledger, phase=CONFIRM)
        self.which = (self.ledger.spec() or {})["select"]["epoch"]
        self.cache = Home(self.paths.root.parent).cache
        self.written: list[tuple[Path, dict[str, Any]]] = []

    def write(self, cell: CellResult, config: ConfigResult, rank: int, file: Path) -> list[str]:
        """Sentences about what the file lacks."""
        test = confirmed_values(self.ledger, self.confirmed, cell, config)
        values = exported_values(self.ledger, self.paths, cell, config, rank, test)
        if self.weights:
            values["weights"] = self._write_weights(values, file)
        notes = self._write_input(values, file)
        if self.form == "json":
            _write(file, (json.dumps(values, indent=2) + "\n").encode())
        else:
            _write(file, (HEADER.format(file=file.name) + to_yaml(values)).encode())
        self.written.append((file, values))
        return notes

    def write_cards(self, axes: list[str]) -> None:
        """The model cards of all that was written: only now it is known which is the best of its task."""
        exports = [values for _, values in self.written if values["rank"] == 1]
        best = {id(exports[first]): alias for alias, (first, *_) in champions(exports, axes).items()}
        for file, values in self.written:
            _write(file.with_suffix(CARD), card_text(values, file.name, best.get(id(values))).encode())

    def _write_weights(self, values: dict[str, Any], file: Path) -> dict[str, Any]:
        key = values["provenance"]["trial_key"]
        try:
            folder = checkpoint_here(self.paths, key)
            data, epoch = network_weights(folder, self.which)
            confusion = kept_confusion(folder, self.which)
        except (OSError, ValueError, LookupError, CorruptCheckpointError) as problem:
            raise UnusableCheckpointError(
                f"its checkpoint is unusable: {problem}; weights come from training again: 'study export "
                f"{self.paths.name} --no-weights', then 'study train FILE --out DIR' with what that wrote"
            ) from None
        if confusion is not None:
            _write(file.with_suffix(CONFUSION), confusion_text(confusion).encode())
        values["exported"] |= {"epoch": epoch, "metrics": self.ledger.report(key, epoch)}
        return _written(file.with_suffix(WEIGHTS), data) | {"epoch": epoch}

    def _write_input(self, values: dict[str, Any], file: Path) -> list[str]:
        try:
            described, arrays = described_input(values["trial"], self.cache)
        except (ValueError, OSError) as problem:
            return [f"without its normalisation, so that it cannot be used on new images: {problem}"]
        if arrays and self.weights:
            described |= _written(file.with_suffix(NORMALISATION), _packed(arrays))
        values["input"] = described
        return []


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def _written(path: Path, data: bytes) -> dict[str, Any]:
    _write(path, data)
    return {"file": path.name, "sha256": hashlib.sha256(data).hexdigest()}


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
