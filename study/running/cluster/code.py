"""What travels to the nodes: this platform, and the modules of a user's own losses, networks and data sets."""

from __future__ import annotations

import importlib.util
import shutil
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from trainables.own import PLATFORM, file_of, sources


def travelling_modules(own: Iterable[str], folder: Path) -> list[str]:
    """Folders and files as Ray's `py_modules` takes them: ours, and those of the import paths `own`, put into `folder`.

    What is installed beside Python itself is left out: the nodes have it.
    """
    found = {name: file for path in sorted(set(own)) for name, file in sources(path).items() if not _installed(file)}
    for name in list(found):
        found |= {above: file for above in _packages_above(name) if (file := file_of(above)) is not None}
    for name, file in found.items():
        place = folder.joinpath(*name.split("."))
        place = place / "__init__.py" if file.name == "__init__.py" else place.with_suffix(".py")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    tops = {name.partition(".")[0] for name in found}
    return [*map(_folder_of, PLATFORM), *(str(_top(folder, name)) for name in sorted(tops))]


def _packages_above(module: str) -> list[str]:
    """`a` and `a.b` for `a.b.c`."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _folder_of(package: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]))


def _top(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder / f"{name}.py"


def _installed(file: Path) -> bool:
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(file.is_relative_to(place) for place in places)
