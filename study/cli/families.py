"""study families"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from study.cli.output import AsJson, console, print_json, program
from study.errors import StudyError

MAX_CURVES = 6
LIMIT_S, CHECK_LIMIT_S = 60.0, 600.0  # that a loss may take to be shown, and to be checked: it is compiled


def families(
    name: Annotated[
        str | None, typer.Argument(metavar="[FAMILY]", help="Show this one; also a loss of yours, module:Class.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where its picture goes, .png or .svg; by default in the cache.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Run it through the checks that every shipped loss passes; 1 if it fails."),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the list as a Markdown table.")] = False,
    as_json: AsJson = False,
) -> None:
    """The loss families; or one with its hyperparameters, search space, properties, and a picture of it.

    Example: study families tce --draw tce.png
    """
    if name is None:
        _list(markdown, as_json)
        return
    from study.planning.hang import ended_after
    from study.spec.study_file import make_importable
    from trainables.losses.families import get_family

    make_importable(Path.cwd())
    limit_s = CHECK_LIMIT_S if check else LIMIT_S
    with ended_after(limit_s, f"{name}: not done after {limit_s:g} s, so it is taken to hang; mend what it waits for"):
        try:
            family = get_family(name)
        except ValueError as problem:
            raise StudyError(str(problem)) from None
        failures = None
        if check:
            from trainables.losses.conformance.family import broken_promises

            failures = broken_promises(family)
        _show(family, draw, failures, as_json)
    if failures:
        raise typer.Exit(1)


def _list(as_markdown: bool, as_json: bool) -> None:
    from trainables.losses.families import FAMILIES

    rows = [_described(family) for family in FAMILIES.values()]
    if as_json:
        print_json(rows)
        return
    if as_markdown:
        print(markdown_table(rows))
        return
    table = Table("family", "formula", "hyperparameters", "is cross entropy at", "paper", show_lines=True)
    for row in rows:
        hyperparameters = "\n".join(f"{key} {hp['range']}" for key, hp in row["hyperparameters"].items())
        table.add_row(*map(Text, (row["family"], row["formula"], hyperparameters, neutral_text(row), row["paper"])))
    console.print(table, soft_wrap=False)
    console.print("q = softmax(logits), y the label, C classes.")
    console.print(f"One of them with its search space and picture: {program()} families tce")


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The families as README.md shows them."""
    lines = ["| family | formula | hyperparameters | is cross entropy at | paper |", "|---|---|---|---|---|"]
    for row in rows:
        hyperparameters = ", ".join(f"`{key}`" for key in row["hyperparameters"])
        formula = row["formula"].replace("|", "\\|")
        lines.append(f"| `{row['family']}` | {formula} | {hyperparameters} | {neutral_text(row)} | {row['paper']} |")
    return "\n".join(lines)


def neutral_text(row: Mapping[str, Any]) -> str:
    """Where a family is cross entropy, or why it never is."""
    if row["neutral"] is None:
        return str(row["limit"])
    return ", ".join(f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}"
                     for key, value in row["neutral"].items()) or "always"  # fmt: skip


def _described(family: Any) -> dict[str, Any]:
    return {
        "family": family.name,
        "title": family.title,
        "formula": family.formula,
        "hyperparameters": {
            key: {"range": hp.range, "default": hp.default, "meaning": hp.meaning}
            for key, hp in family.hyperparameters.items()
        },
        "neutral": family.neutral,
        "limit": family.limit,
        "paper": family.paper,
    }


def _show(family: Any, draw: Path | None, failures: list[str] | None, as_json: bool) -> None:
    from search_spaces import get_page, get_space
    from study.records.paths import Home
    from study.spec.yaml_file import to_yaml
    from trainables.losses.dataless import dataless_loss
    from trainables.losses.drawing import draw_loss
    from trainables.losses.properties import measure_properties
    from trainables.own import is_own

    space, tiny, page = get_space(family.name), get_space(family.name, tiny=True), get_page(family.name)
    facts = _described(family) | {"space": space, "tiny": tiny, "failures": failures}
    if not failures:
        path = draw or Home.current().cache / "families" / f"{family.name.replace(':', '.')}.png"
        if path.suffix not in (".png", ".svg"):
            raise StudyError(f"--draw {path}: pictures are written as .png or .svg")
        try:
            found = measure_properties(dataless_loss(family.name, 10))
            draw_loss(family.name, _settings(family, space), path, title=_title(family))
        except Exception as problem:  # whatever a loss of the user's raises
            if not is_own(family.name) or isinstance(problem, OSError):
                raise
            said = (str(problem).splitlines() or [""])[0]
            further = f"; '{program()} families {family.name} --check' says more" if failures is None else ""
            raise StudyError(f"{family.name} raises {type(problem).__name__}: {said}{further}") from None
        facts |= {"symmetric": found.symmetric, "bounded": found.bounded, "picture": str(path)}
    if as_json:
        print_json(facts)
        return
    console.print(f"{family.name}: {_title(family)}\n  {family.paper}", markup=False)
    table = Table("hyperparameter", "range", "default", "meaning")
    for key, hp in family.hyperparameters.items():
        table.add_row(*map(Text, (key, hp.range, f"{hp.default}", hp.meaning)))
    if family.hyperparameters:
        console.print(table, soft_wrap=False)
    if said := neutral_text(facts):
        console.print(f"Is cross entropy at: {said}", markup=False)
    if page:
        console.print(f"\n{page.strip()}\n", markup=False)
        spaces = to_yaml({"space": space, "tiny": tiny})
        console.print(f"In a study file, and the smallest that still says something:\n{spaces}", markup=False)
    if failures is not None:
        console.print("\n".join(f"broken: {failure}" for failure in failures) or "Every check passed.", markup=False)
    if not failures:
        symmetric = "symmetric (uniform label noise does not move its minimum)" if found.symmetric else "not symmetric"
        bounded = "bounded" if found.bounded else "not bounded"
        console.print(f"Measured at its defaults with 10 classes: {symmetric}; {bounded}.\nPicture: {path}")


def _title(family: Any) -> str:
    return family.title if family.formula == family.title else f"{family.title}: {family.formula}"


def _settings(family: Any, space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Settings along the first real hyperparameter that the picture can show, in the family's order."""
    from study.spec.spaces import Distribution, parse_searchable
    from trainables.losses.drawing import shows
    from trainables.losses.families import Real

    for key, kind in family.hyperparameters.items():
        if not isinstance(kind, Real):
            continue
        value = parse_searchable(space.get(key))
        if isinstance(value, Distribution) and value.finite:
            points = list(value.points())[:: -(-len(value.points()) // MAX_CURVES)]
        elif isinstance(value, Distribution):
            low, high = value.values
            points = [low + share * (high - low) for share in (0, 0.25, 0.5, 0.75, 1)]
        else:
            points = [factor * kind.default for factor in (0.5, 1, 2)]
        settings = [{key: point} for point in points if kind.holds(point)]
        if shows(family.name, settings):
            return settings
    return [{}]
