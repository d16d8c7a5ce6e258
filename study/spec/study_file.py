"""From a study file to a checked spec, or to one line that says what is wrong with it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from study.errors import PlacedStudyError, StudyError
from study.records.ledger import Ledger
from study.records.ledger_file import is_begun
from study.records.paths import StudyPaths
from study.redaction import hidden, holds_secret, remember
from study.spec import StudySpec
from study.spec.strict import PlacedError
from study.spec.yaml_file import Document, override, read_document
from trainables.data.datasets import takes_root
from trainables.data.datasets.elsewhere import is_elsewhere
from trainables.names import unknown_name

MAPPING = "be a mapping, {key: value, ...}; 'study schema' lists the keys"
MOST_SHOWN = 10  # mistakes beside the first
RULES = {  # by pydantic's type of error; its own words name Python's classes
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dict_type": "be a mapping, {key: value, ...}",
    "list_type": "be a list, [...]",
    "string_type": "be text",
    **dict.fromkeys(("float_type", "float_parsing"), "be a number"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "be a whole number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "be true or false"),
}


def load_spec(path: Path, overrides: Sequence[str] = (), data: Path | None = None) -> tuple[StudySpec, Document]:
    """The study in the file at `path` with `overrides` applied; StudyError for the first thing that is wrong.

    `data` is the root of every data set that needs one and has none.
    """
    document = read_document(path)
    override(document, overrides)
    for folder in (folder_of_modules(path), path.absolute().parent, Path.cwd()):
        make_importable(folder)
    _settle_paths(document, path.absolute().parent)
    _settle_roots(document, path.absolute().parent, data)
    return parse_spec(document), document


def folder_of_modules(path: Path) -> Path:
    """Where a study file's own losses and networks lie: beside it; for the copy that a launch leaves in the study's
    folder, beside the file that was launched.
    """
    folder = path.absolute().parent
    paths = StudyPaths(folder)
    if path.name == paths.study_file.name and is_begun(paths.ledger):
        with Ledger(paths.ledger) as ledger:
            return ledger.launched_from() or folder
    return folder


def load_launched(paths: StudyPaths) -> StudySpec:
    """A study as it was last launched; StudyError where it never was, or its own losses are not found any more."""
    if not paths.study_file.is_file():
        raise StudyError(f"{paths.study_file} is missing, which a launch leaves there; launch the study's file again")
    return load_spec(paths.study_file)[0]


def _settle_paths(document: Document, folder: Path) -> None:
    """Make the paths of files in settings with options absolute: they count from the study file's folder."""
    noises = document.values.get("noise")
    for index, noise in enumerate(noises if isinstance(noises, list) else [noises]):
        if isinstance(noise, dict) and isinstance(noise.get("path"), str):
            _settle_path(noise, folder, document, _in_file(("noise", index), document))
    families = document.values.get("families")
    for index, family in enumerate(families if isinstance(families, list) else []):
        space = family.get("space") if isinstance(family, dict) else None
        for key, value in space.items() if isinstance(space, dict) else []:
            grid = value.get("grid") if isinstance(value, dict) else None
            for number, setting in enumerate(grid if isinstance(grid, list) else [value]):
                if isinstance(setting, dict) and "name" in setting and isinstance(setting.get("path"), str):
                    within = () if setting is value else ("grid", number)
                    _settle_path(setting, folder, document, ("families", index, "space", key, *within))


def _settle_path(setting: dict[str, Any], folder: Path, document: Document, location: tuple[str | int, ...]) -> None:
    location = (*location, "path")
    settled = str(folder / Path(setting["path"]).expanduser())
    document.rewritten = document.rewritten or settled != setting["path"]
    setting["path"] = settled
    if not Path(settled).is_file():
        raise StudyError(_placed(f"there is no file {settled}; correct the path", location, document))


def with_its_line(mistake: PlacedStudyError, document: Document) -> StudyError:
    """What a plan's data brought to light, with the line of the file that asks for it."""
    location = _in_file(mistake.location, document)
    return StudyError(_placed(mistake.message, location, document))


def _settle_roots(document: Document, folder: Path, data: Path | None) -> None:
    """Make data sets' roots absolute, and give `data` to those without: a root counts from the study file's folder,
    one that is set on the command line from the current one.
    """
    if data is not None and not data.expanduser().exists():
        raise StudyError(f"--data {data}: no such folder; give the one that holds the data sets' files")
    written = document.values.get("dataset")
    several = isinstance(written, list)
    settled = []
    for index, dataset in enumerate(written if isinstance(written, list) else [written]):
        described = {"name": dataset} if isinstance(dataset, str) else dataset
        location = ("dataset", *([index] if several else []), "root")
        if isinstance(described, dict) and isinstance(described.get("root"), str):
            if is_elsewhere(described["root"]):
                settled.append(dataset)
                continue
            base = Path.cwd() if location in document.overridden else folder
            described = described | {"root": str(base / Path(described["root"]).expanduser())}
        elif isinstance(described, dict) and data is not None and _wants_root(described.get("name")):
            described = described | {"root": str(data.expanduser().absolute())}
        settled.append(dataset if described == {"name": dataset} else described)
    if settled != (written if several else [written]):
        document.values["dataset"] = settled if several else settled[0]
        document.rewritten = True


def _wants_root(name: Any) -> bool:
    try:
        return isinstance(name, str) and takes_root(name)
    except ValueError:  # said with its line by the spec
        return False


def make_importable(folder: Path) -> None:
    """Let a study's own losses be found beside its file; what is installed goes before them."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def parse_spec(document: Document) -> StudySpec:
    """A document as a study; StudyError for the first thing that is wrong, naming its line, and others after it."""
    tracking = document.values.get("tracking")
    address = tracking.get("uri") if isinstance(tracking, dict) else tracking
    if isinstance(address, str) and holds_secret(address):
        remember(address)  # so that no line quotes it, whatever is wrong
    try:
        return StudySpec.model_validate(document.values)
    except ValidationError as problem:
        errors = sorted(problem.errors(), key=lambda error: _rank(_location(error, document), document))
        by_place: dict[tuple[str | int, ...], Any] = {}
        for error in errors:  # of what one value might be, each may have something to say about it
            by_place.setdefault(_location(error, document), error)
        first, *others = (_sentence(error, document) for error in by_place.values())
        left_out = [f"and {len(others) - MOST_SHOWN} more"] if len(others) > MOST_SHOWN else []
        raise StudyError(first + _more(len(others)), [*others[:MOST_SHOWN], *left_out]) from None


def _more(count: int) -> str:
    """How many other mistakes there are."""
    if not count:
        return ""
    return f"; {'1 more mistake is' if count == 1 else f'{count} more mistakes are'} in the file"


def _rank(location: tuple[str | int, ...], document: Document) -> int:
    place = document.place(location).rpartition(":")[2]
    return int(place) if place.isdigit() else 0


def _location(error: Any, document: Document) -> tuple[str | int, ...]:
    """Where the file says what the error is about."""
    location = _in_file(error["loc"], document)
    cause = error.get("ctx", {}).get("error")
    return (*location, *cause.path) if isinstance(cause, PlacedError) else location


def _in_file(location: tuple[str | int, ...], document: Document) -> tuple[str | int, ...]:
    """pydantic's location without the names of union members and the indices of lists written as one element."""
    values: Any = document.values
    found: list[str | int] = []
    for index, part in enumerate(location):
        if isinstance(values, dict) and (part in values or index == len(location) - 1) and isinstance(part, str):
            if values.get("name") == part and part not in values:
                continue
            found.append(part)
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            found.append(part)
            values = values[part]
    return tuple(found)


def _sentence(error: Any, document: Document) -> str:
    location = _location(error, document)
    cause = error.get("ctx", {}).get("error")
    where = ".".join(str(part) for part in location)
    place = document.place(location)
    if isinstance(cause, ValueError):
        return _placed(str(cause), location, document)
    if error["type"] == "missing":
        return f"{place}: {where} is missing; add it"
    if error["type"] == "union_tag_not_found":
        return f"{place}: {where}.name is missing; 'study schema' lists the names"
    if error["type"] == "union_tag_invalid":
        tags = error["ctx"]["expected_tags"].replace("'", "").split(", ")
        return f"{place}: {where}: " + unknown_name(where.rpartition(".")[2], error["ctx"]["tag"], tags, "known")
    if error["input"] is None:
        return f"{place}: {where} is empty; give it a value, or leave the key out"
    value = hidden(json.dumps(error["input"], default=str))[:80]
    return f"{place}: {where} = {value}: it should {_rule(error)}"


def _rule(error: Any) -> str:
    rule = RULES.get(error["type"]) or error["msg"].partition(" should ")[2].partition(" after ")[0] or error["msg"]
    percent = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*%\s*", str(error["input"]))
    return f"{rule}; {percent[0].strip()} is {float(percent[1]) / 100:g}" if percent else rule


def _placed(said: str, location: tuple[str | int, ...], document: Document) -> str:
    where, place = ".".join(str(part) for part in location), document.place(location)
    return f"{place}: {said}" if said.startswith(where) or not where else f"{place}: {where}: {said}"
