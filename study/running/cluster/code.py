"""What travels to the nodes: this platform, and the modules of a user's own losses, networks and data sets."""

from __future__ import annotations

import importlib.util
import shutil
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from trainables.own import PLATFORM, TRAVELLED, file_of, sources


def travelling_modules(own: Iterable[str], folder: Path) -> list[str]:
    """Folders as Ray's `py_modules` takes them: ours, and below `folder` one with the modules of the paths `own`.

    One, since what such a module may be made of is what lies in its folder. What is installed beside Python itself is
    left out: the nodes have it.
    """
    found = {name: file for path in sorted(set(own)) for name, file in sources(path).items() if not _installed(file)}
    for name in list(found):
        found |= {above: file for above in _packages_above(name) if (file := file_of(above)) is not None}
    for name, file in found.items():
        place = folder.joinpath(TRAVELLED, *name.split("."))
        place = place / "__init__.py" if file.name == "__init__.py" else place.with_suffix(".py")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return [*map(_folder_of, PLATFORM), *([str(folder / TRAVELLED)] if found else [])]


def _packages_above(module: str) -> list[str]:
    """`a` and `a.b` for `a.b.c`."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _folder_of(package: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]))


def _installed(file: Path) -> bool:
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(file.is_relative_to(place) for place in places)
