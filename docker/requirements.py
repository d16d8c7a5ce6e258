"""Prints requirements of pyproject.toml, one a line: a layer of the image that does not change with the code."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path


def requirements(project: Path, only: list[str], without: list[str]) -> list[str]:
    """Those named in `only`, all where it is empty, except those named in `without`. ValueError for unknown names."""
    wanted = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    named = {re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0]: each for each in wanted}
    if unknown := sorted({*only, *without} - named.keys()):
        raise ValueError(f"{project} does not require {', '.join(unknown)}; it requires {', '.join(named)}")
    return [each for name, each in named.items() if name not in without and (name in only or not only)]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="pyproject.toml")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--without", nargs="+", default=[])
    asked = parser.parse_args()
    try:
        sys.stdout.writelines(f"{each}\n" for each in requirements(asked.project, asked.only, asked.without))
    except ValueError as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
