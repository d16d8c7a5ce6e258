"""study status"""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

from rich.markup import escape

from study.cli.output import (
    AsJson,
    HeadUrl,
    StudyName,
    comparison_tables,
    console,
    duration,
    out_of_scope_note,
    print_json,
)
from study.records.states import in_words
from study.results.numbers import counted


def status(name: StudyName, address: HeadUrl = None, as_json: AsJson = False) -> None:
    """How a study stands: states, the comparison so far, what happened last.

    Example: study status quickstart
    """
    facts = _facts(name) if address is None else _facts_there(name, address)
    if as_json:
        print_json(facts)
    else:
        _print(facts, here=address is None)


def _facts_there(name: str, address: str) -> dict[str, Any]:
    """What the head of a cluster says, with the job that drives the study there, or did last."""
    from study.errors import StudyError
    from study.remote.client import Cluster
    from study.remote.jobs import ask, newest

    cluster = Cluster(address)
    job = newest(cluster, name)
    try:
        facts: dict[str, Any] = ask(cluster, "status", name, "--json").json()
    except StudyError:
        if job is None:
            raise
        if job.under_way:
            raise StudyError(f"study '{name}' has no ledger yet; its job {job.id} is {job.state}; ask again") from None
        raise StudyError(f"study '{name}' did not begin; job {job.id} {job.state}: {job.why()}") from None
    return facts | {"job": {"id": job.id, "action": job.action, "state": job.state} if job else None}


def _facts(name: str) -> dict[str, Any]:
    from study.errors import StudyError
    from study.records.ledger import Ledger
    from study.records.lock import is_held, owner
    from study.records.paths import Home
    from study.results.budget import budget_of
    from study.results.confirmed import confirmations
    from study.results.selection import comparison, out_of_scope
    from study.spec import SelectSpec
    from study.tracking import trials_behind

    home = Home.current()
    paths = home.existing(name)
    with Ledger(paths.ledger) as ledger:
        spec = ledger.spec()
        if spec is None:
            raise StudyError(f"study '{name}' died before it began; launch it again, or: study delete {name}")
        found, outside = confirmations(ledger, name), out_of_scope(ledger)
        rows, confirmed = comparison(found.searched), comparison(found.cells)
        all_rows = rows + confirmed + comparison(found.outdated)
        events, inside = ledger.events(), ledger.trials_in_scope()
        failures = [
            {"trial": trial.key, "state": trial.state, "reason": trial.reason}
            for trial in ledger.trials().values()
            if trial.state in ("failed", "diverged") and trial.key in inside
        ]
        behind = trials_behind(ledger, home)
    costs = budget_of(name, spec, found.searched).costs if found.searched else ()
    running = is_held(paths.lock)
    states: dict[str, int] = {}
    deserted = 0
    if not running:  # what a dead launch left running will be interrupted by the next one
        for row in all_rows:
            if left := row["states"].pop("running", 0):
                deserted += left
                row["states"]["interrupted"] = row["states"].get("interrupted", 0) + left
    for row in all_rows:
        for state, count in row["states"].items():
            states[state] = states.get(state, 0) + count
    select = SelectSpec.model_validate(spec["select"])
    return {
        "study": name,
        "folder": str(paths.root),
        "running": owner(paths.lock) if running else None,
        "deserted": deserted,
        "states": states,
        "epochs_budget": spec["search"].get("epochs"),
        "epochs_used": [{"family": cost.family, "task": cost.task, "epochs": cost.screening_epochs} for cost in costs],
        "training_seconds": sum(row["seconds"] for row in all_rows),
        "metric": select.monitor,
        "test_metric": select.test_metric,
        "comparison": rows,
        "confirmed": confirmed,
        "confirmations_left_out": list(found.left_out),
        "out_of_scope": outside,
        "failures": failures,
        "events": events,
        "tracking_behind": behind,
    }


def _print(facts: dict[str, Any], *, here: bool) -> None:
    name, running, states = facts["study"], facts["running"], facts["states"]
    console.print(f"[bold]{name}[/] in {facts['folder']}{'' if here else ' on the head'}")
    if job := facts.get("job"):
        console.print(f"job: {job['id']}, {job['state']}")
    console.print(f"running: {running}" if running else "not running")
    if facts["deserted"]:
        left = counted(facts["deserted"], "trial")
        console.print(f"The last launch ended without a word, {left} at work: the same command goes on.")
    console.print(f"trials: {in_words(states) or 'none'}; {duration(facts['training_seconds'])} of training")
    if used := [each["epochs"] for each in facts["epochs_used"] if facts["epochs_budget"]]:
        span = " to ".join(f"{epochs:,}" for epochs in sorted({min(used), max(used)}))
        console.print(f"budget used: {span} of {facts['epochs_budget']:,} epochs per family and task")
    for table in [
        *comparison_tables(facts["comparison"], facts["metric"]),
        *comparison_tables(facts["confirmed"], facts["test_metric"]),
    ]:
        console.print(table)
    for sentence in facts["confirmations_left_out"]:
        console.print(f"[yellow]left out[/] {escape(sentence)}")
    if facts["out_of_scope"]:
        console.print(out_of_scope_note(facts["out_of_scope"]))
    for failure in facts["failures"][:10]:
        console.print(f"[red]{failure['state']}[/] {failure['trial']}: {failure['reason']}")
    for event in facts["events"][-10:]:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["time"]))
        console.print(f"[dim]{at} {event['kind']}[/] {event['message']} {event['trial_key'] or ''}")
    if facts["tracking_behind"] and not running:
        console.print(f"MLflow lacks news of {counted(facts['tracking_behind'], 'trial')}: study sync {name}")
    if set(states) & {"waiting", "interrupted", "running"} and not running and here:
        again = shlex.join(["study", "launch", str(Path(facts["folder"], "study.yaml"))])
        console.print(f"Trials are missing: launch it again to go on ({again}).")
