"""What a user brings by import path, `my_package.module:name`: found, and known by the text of its source."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any


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
    """
    files = sorted(sources(path).items())
    return hashlib.sha256(b"".join(f"{each}\0".encode() + file.read_bytes() for each, file in files)).hexdigest()[:16]


def sources(path: str) -> dict[str, Path]:
    """The file that holds `path` and those that it imports from its own folder or package, by the modules' names."""
    load_object(path, "source")
    module = path.partition(":")[0]
    root = Path(getattr(sys.modules[module.partition(".")[0]], "__file__", None) or "/").parent
    return _sources(module, root, {})


def _sources(module: str, root: Path, found: dict[str, Path]) -> dict[str, Path]:
    """The files below `root` of `module` and of the modules that it imports, by name."""
    path = Path(getattr(sys.modules.get(module), "__file__", None) or "/")
    if module in found or not path.is_file() or not path.is_relative_to(root):
        return found
    found[module] = path
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for each in names:
            _sources(each, root, found)
    return found
