"""study gc"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from study.cli.output import AsJson, StudyName, console, print_json
from study.results.numbers import counted


def gc(
    name: StudyName,
    keep: Annotated[
        Literal["best", "none", "all"],
        typer.Option(
            "--keep", help="Checkpoints of best, exported and confirmed configs; of none; of all trials (frees strays)."
        ),
    ] = "best",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be freed; remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Free the disk of checkpoints that nothing needs; those of unfinished trials stay, and so do all numbers.

    Example: study gc quickstart --dry-run
    """
    from study.records.ledger import Ledger
    from study.records.lock import WriterLock
    from study.records.paths import Home
    from study.upkeep.garbage import find_garbage, free

    paths = Home.current().existing(name)
    if dry_run:
        with Ledger(paths.ledger) as ledger:
            found = find_garbage(paths, ledger, keep)
    else:
        with WriterLock(paths.lock, "study gc"), Ledger(paths.ledger, write=True) as ledger:
            found = find_garbage(paths, ledger, keep)
            free(found, ledger)
    if as_json:
        print_json(
            {
                "study": name,
                "removed": not dry_run,
                "checkpoints": len(found.folders),
                "bytes": found.freed_bytes,
                "copies": len(found.copies),
                "kept": found.kept,
                "kept_bytes": found.kept_bytes,
            }
        )
        return
    in_storage = f", and {len(found.copies)} in the study's storage" if found.copies else ""
    verb = "Would free" if dry_run else "Freed"
    console.print(
        f"{verb} {found.freed_bytes / 1e6:.1f} MB of {counted(len(found.folders), 'checkpoint')}{in_storage}; "
        f"{found.kept} {'is' if found.kept == 1 else 'are'} kept, {found.kept_bytes / 1e6:.1f} MB"
    )
