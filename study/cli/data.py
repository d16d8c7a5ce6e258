"""study data"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from study.cli.output import AsJson, DataRoot, console, print_json, program
from study.errors import StudyError
from study.results.numbers import counted

app = typer.Typer(help="Data sets: which there are, whether their files are whole, and how to get them.",
                  no_args_is_help=True)  # fmt: skip

Name = Annotated[str, typer.Argument(metavar="NAME", help="A data set; also one of yours, module:function.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An option of the data set, as in size=64; repeatable."),
]


@app.command("list")
def list_data(data: DataRoot = None, as_json: AsJson = False) -> None:
    """Every data set by name, and whether its files are there.

    Example: study data list --data ~/data
    """
    from trainables.data.datasets import SOURCES, files_are_there

    rows = [
        {
            "data_set": name,
            "what": source.title,
            "images": source.images,
            "classes": source.classes,
            "shape": source.shape,
            "options": {key: option.meaning for key, option in source.options.items()},
            "there": files_are_there(_described(name, data, [])),
        }
        for name, source in SOURCES.items()
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("data set", "images", "classes", "shape", "files")
    for row in rows:
        cells = (row["data_set"], row["images"], row["classes"], row["shape"])
        table.add_row(*map(str, cells), "there" if row["there"] else "[dim]not found[/]")
    console.print(table)
    console.print("Images of training + test. Files are looked for in --data, else in STUDY_DATA.")
    console.print(f"Get one: {program()} data fetch mnist --data DIR. Look into one: {program()} data check mnist")


@app.command("check")
def check(name: Name, data: DataRoot = None, options: Options = None, as_json: AsJson = False) -> None:
    """What is there of a data set, or the one line that says what is wrong with it.

    Example: study data check image_folder --data ~/flowers --set size=64
    """
    from study.records.paths import Home
    from study.spec.study_file import make_importable
    from trainables.data.inspect import describe

    make_importable(Path.cwd())
    home = Home.current()
    home.ensure_writable()
    try:
        found = describe(_described(name, data, options or []), home.cache)
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    print_json(found) if as_json else _show(found)


@app.command("fetch")
def fetch(
    name: Name,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="The folder that it is downloaded into.")],
    options: Options = None,
    as_json: AsJson = False,
) -> None:
    """Download a data set, as torchvision does, and check it.

    Example: study data fetch svhn --data ~/data --set extra=true
    """
    from trainables.data.datasets import SOURCES, get_source, settled_options

    try:
        source = get_source(name)
        settled = settled_options(_described(name, None, options or []))
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    if source.fetch is None:
        fetched = ", ".join(name for name, each in SOURCES.items() if each.fetch)
        raise StudyError(f"data set '{name}' cannot be downloaded by a program; bring its files. These can: {fetched}")
    folder = data.expanduser().absolute()
    if not os.access(next(path for path in (folder, *folder.parents) if path.exists()), os.W_OK):
        raise StudyError(f"--data {data}: cannot be written; choose another folder")
    with contextlib.redirect_stdout(sys.stderr):  # torchvision says there how far it is
        try:
            with _made(folder):
                source.fetch(folder, settled)
        except Exception as problem:  # networks fail in any way
            said = " ".join(str(problem).split())[:300]
            raise StudyError(
                f"data set '{name}' was not fetched: {said}; check the connection, or copy its files into {folder}"
            ) from None
    check(name, folder, options, as_json)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder; where what follows fails, folders made since go again, but for those with a file in them."""
    above = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    try:
        yield
    except BaseException:
        new = [path for top in set(folder.iterdir()) - before if top.is_dir() for path in (top, *top.rglob("*/"))]
        for path in [*sorted(new, reverse=True), *above]:
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()
        raise


def _described(name: str, data: Path | None, options: list[str]) -> dict[str, Any]:
    """A data set as a description, `--data` as its root where it takes one."""
    from study.spec.yaml_file import override, parse_document
    from trainables.data.datasets import takes_root

    document = parse_document("{}", "--set")
    override(document, options)
    try:
        root = {"root": str(data.expanduser().absolute())} if data is not None and takes_root(name) else {}
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    return {**document.values, "name": name, **root}


def _show(found: dict[str, Any]) -> None:
    marks = [word for word in ("ordered", "synthetic", "streamed") if found[word]]
    shape = "x".join(map(str, found["shape"]))
    console.print(f"{found['name']}: {len(found['classes'])} classes, images {shape} {' '.join(marks)}".rstrip())
    table = Table("part", "images", "images of a class", "digest")
    for name, part in found["parts"].items():
        counts = part["per_class"]
        least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        spread = f"{counts[least]} ({least}) to {counts[most]} ({most})"
        table.add_row(name, str(part["images"]), spread, part["digest"])
    console.print(table)
    if found["own_validation"] is not None:
        own = counted(found["own_validation"], "image of the pool is", "images of the pool are")
        console.print(f"{own} the source's own validation part.")
    if found["duplicates"] is None:
        console.print("Streamed: images were not decoded, and copies not counted.")
        return
    copies = found["duplicates"]
    console.print(
        f"Exact copies: {copies['pool']} within the pool, {copies['test']} within the test set, {copies['between']} "
        f"test images lie in the pool too ({copies['between_other_label']} of them under another label)."
    )
