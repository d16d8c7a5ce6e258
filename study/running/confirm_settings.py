"""What a confirmation is asked for where a command does not say: what it was asked for last."""

from __future__ import annotations

from collections.abc import Collection

from study.records.ledger import CONFIRM, Ledger
from study.spec import ConfirmSpec


def last_settings(written: ConfirmSpec, ledger: Ledger) -> ConfirmSpec:
    """The settings that a study's confirmation was last given; `written` is the study file's section as launched.

    The cells of a confirmation keep what it was asked for, and what the file said then (`asked`, `written`). A setting
    that the file has changed since is the file's; one that was never asked for is too.
    """
    cells = ledger.cells(phase=CONFIRM)
    facts = cells[0][1] if cells else {}
    asked, then, now = facts.get("asked", {}), facts.get("written", {}), written.model_dump()
    kept = {name: asked[name] for name, value in now.items() if name in asked and then.get(name) == value}
    return ConfirmSpec.model_validate(now | kept)


def settings_said(used: ConfirmSpec, written: ConfirmSpec, given: Collection[str]) -> str:
    """What is used that neither the command, in `given`, nor the study file says; empty where there is nothing.

    `as confirmed last: --repeats 6 (5 in the study file)`.
    """
    now, file = used.model_dump(), written.model_dump()
    said = [
        f"--{name} {now[name]} ({file[name]} in the study file)"
        for name in now
        if name not in given and now[name] != file[name]
    ]
    return f"as confirmed last: {', '.join(said)}" if said else ""
