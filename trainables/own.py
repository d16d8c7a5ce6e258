"""What a user brings by import path, `my_package.module:name`: found, and known by the text of its source."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = {"site-packages", "dist-packages"}  # folders of what is installed
TRAVELLED = "modules_of_the_study"  # the folder of a user's modules that are sent to other machines, all in one
PLATFORM = ("study", "trainables", "search_spaces")


def is_own(name: str) -> bool:
    """Whether `name` is an import path and not a name of a catalogue."""
    return ":" in name


def load_object(path: str, what: str) -> Any:
    """What stands at the import path `path`; ValueError where there is nothing. `what` it should be, as in `family`."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as problem:
        raise ValueError(
            f"{what} '{path}': {problem}; modules are looked for in the study file's folder, in the current one and "
            "among what is installed"
        ) from None
    except AttributeError:
        raise ValueError(f"{what} '{path}': module '{module}' has no '{attribute}'") from None
    except (Exception, SystemExit) as problem:  # whatever the user's module raises when it is imported; a script leaves
        raise ValueError(f"{what} '{path}': importing '{module}': {type(problem).__name__}: {problem}") from None


def source_digest(path: str) -> str:
    """16 hex digits of the file that holds `path` and of what it imports from its own folder or package: another text
    is another object.

    Only its user's own Python files count: no installed packages, environments, hidden folders, nor this platform.
    ValueError where one cannot be parsed.
    """
    files = sorted(sources(path).items())
    return hashlib.sha256(b"".join(f"{each}\0".encode() + file.read_bytes() for each, file in files)).hexdigest()[:16]


def sources(path: str) -> dict[str, Path]:
    """The file that holds `path` and those that it imports from its own folder or package, by the modules' names."""
    load_object(path, "source")
    module = path.partition(":")[0]
    return _sources(module, _Territory.of(module), {})


def file_of(path: str) -> Path | None:
    """The file that the object at import path `path` was loaded from; None where it is not loaded, or has none."""
    file = getattr(sys.modules.get(path.partition(":")[0]), "__file__", None)
    return Path(file) if file else None


def import_folders() -> list[str]:
    """Where this process looks for modules, in that order."""
    return [folder or os.getcwd() for folder in sys.path]


def look_in(folders: Sequence[str]) -> None:
    """Look for modules in `folders` before any other, in their order: as the process does whose they are.

    `TRAVELLED` stands for the folder in which modules arrived that were sent to this machine, if any were.
    """
    folders = [found for folder in folders for found in (_arrived() if folder == TRAVELLED else [folder])]
    sys.path[:] = [*folders, *(folder for folder in sys.path if folder not in folders)]


def _arrived() -> list[str]:
    spec = importlib.util.find_spec(TRAVELLED)
    return list((spec and spec.submodule_search_locations) or [])


@dataclass(frozen=True)
class _Territory:
    """The modules that a user's own one may be made of: those below `root`, where its top-level module `top` lies."""

    top: str
    root: Path

    @classmethod
    def of(cls, module: str) -> _Territory:
        top = module.partition(".")[0]
        file = file_of(top)
        if file is not None:
            return cls(top, file.parent)
        held = file_of(module)  # a folder without `__init__.py` may lie in several places
        depth = module.count(".") if held is not None and held.name != "__init__.py" else module.count(".") + 1
        return cls(top, held.parents[depth - 1] if held is not None else Path())

    def holds(self, module: str, file: Path) -> bool:
        top = module.partition(".")[0]
        if file.suffix != ".py" or not file.is_relative_to(self.root):
            return False
        if top == self.top:
            return True
        within = file.relative_to(self.root).parts[:-1]
        folders = [self.root.joinpath(*within[: depth + 1]) for depth in range(len(within))]
        installed = PACKAGES & {self.root.name, *within} or any(each.startswith(".") for each in within)
        return top not in PLATFORM and not installed and not any(_is_environment(folder) for folder in folders)


def _is_environment(folder: Path) -> bool:
    """Whether a Python and its packages are in `folder`."""
    prefixes = (Path(sys.prefix), Path(sys.base_prefix))
    return folder in prefixes or (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def _sources(module: str, territory: _Territory, found: dict[str, Path]) -> dict[str, Path]:
    """The file of `module`, and in `territory` those of the modules that it imports, by name."""
    path = file_of(module)
    if module in found or path is None or not path.is_file() or (found and not territory.holds(module, path)):
        return found
    found[module] = path
    if path.suffix != ".py":
        return found
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as problem:  # its text has changed since it was imported
        raise ValueError(f"{path}: cannot be read as Python: {problem}; mend the file") from None
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level <= package.count(".") + bool(package):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for each in names:
            _sources(each, territory, found)
    return found
