"""What travels to the cluster: the platform, the study file, the user's own modules and files that it names."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.records.paths import find_study_file
from study.spec import StudySpec
from study.spec.study_file import folder_of_modules, load_spec
from study.spec.yaml_file import override, read_document
from trainables.data.datasets.elsewhere import is_elsewhere
from trainables.own import PLATFORM

LEFT = frozenset({"studies", "data", "node_modules", "__pycache__", "site-packages"})  # and what begins with a dot
MOST_MB = 100  # of a user's own files
LIKE_CODE = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@dataclass(frozen=True)
class Checked:
    """A study that was read and found right here: its file, and those that go with it by their names over there."""

    spec: StudySpec
    file: Path
    digest: str
    own: dict[str, Path]


def check(name_or_path: str, overrides: list[str]) -> Checked:
    """The study as a launch would read it, with the files that it needs; StudyError for what is wrong with it.

    What it names must lie below the study file's folder, or where the cluster has it too; data sets do not travel.
    """
    file = find_study_file(name_or_path)
    asked = read_document(file)
    override(asked, overrides)
    _refuse_relative_roots(asked.values.get("dataset"))
    spec, document = load_spec(file, overrides)
    own = {file.name: file}
    for written, settled in _settled(asked.values, document.values):
        if Path(written).is_absolute() or written.startswith("~"):
            continue
        if ".." in Path(written).parts:
            raise StudyError(f"{file}: '{written}' lies outside the study file's folder; put it beside the study file")
        own[Path(written).as_posix()] = Path(settled)
    if not file.is_relative_to(str(files("study"))):  # a preset has no modules of its own
        for name, path in _modules(folder_of_modules(file)):
            own.setdefault(name, path)
    size = sum(path.stat().st_size for path in own.values())
    if size > MOST_MB * 1e6:
        name, path = max(own.items(), key=lambda each: each[1].stat().st_size)
        raise StudyError(
            f"{size / 1e6:.0f} MB beside {file} would travel, more than {MOST_MB}; the largest is {name} "
            f"({path.stat().st_size / 1e6:.0f} MB): put it where the cluster sees it, and give its whole path"
        )
    return Checked(spec, file, hashlib.sha256(file.read_bytes()).hexdigest(), own)


def stage(folder: Path, own: dict[str, Path]) -> None:
    """Lay into `folder` what a job there works in: the platform of this machine, and a study's own files."""
    for package in PLATFORM:
        shutil.copytree(str(files(package)), folder / package, ignore=LIKE_CODE)
    for name, path in own.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _refuse_relative_roots(datasets: Any) -> None:
    for dataset in datasets if isinstance(datasets, list) else [datasets]:
        root = dataset.get("root") if isinstance(dataset, dict) else None
        if isinstance(root, str) and not (Path(root).is_absolute() or root.startswith("~") or is_elsewhere(root)):
            raise StudyError(
                f"dataset.root = '{root}' counts from a folder of this machine, and data do not travel; give the whole "
                "path that the cluster's machines have, or leave it out and say --data DIR"
            )


def _settled(written: Any, settled: Any) -> Iterator[tuple[str, str]]:
    """Each path as the file has it, with what it came to be."""
    if isinstance(written, dict) and isinstance(settled, dict):
        for key in written.keys() & settled.keys():
            yield from _settled(written[key], settled[key])
    elif isinstance(written, list) and isinstance(settled, list):
        for before, after in zip(written, settled, strict=True):
            yield from _settled(before, after)
    elif isinstance(written, str) and isinstance(settled, str) and written != settled:
        yield written, settled


def _modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """The Python files of a folder and of packages in it, by their names in it."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix == ".py":
            yield path.name, path
        elif _is_package(path):
            for module in sorted(path.rglob("*.py")):
                if not any(_stays(part) for part in module.relative_to(folder).parts):
                    yield module.relative_to(folder).as_posix(), module


def _is_package(path: Path) -> bool:
    return path.name not in PLATFORM and not _stays(path.name) and (path / "__init__.py").is_file()


def _stays(name: str) -> bool:
    return name in LEFT or name.startswith(".")
