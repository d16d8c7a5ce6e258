"""study stop"""

from __future__ import annotations

from typing import Annotated

import typer

from study.cli.output import AsJson, StudyName, console, print_json, program, report_error
from study.records.states import in_words


def stop(
    name: StudyName,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait no longer than this.")
    ] = 600,
    as_json: AsJson = False,
) -> None:
    """End a running study gently: trials finish their epoch, save and leave; launching again goes on.

    Ends with 1 where it still runs after the timeout. Example: study stop quickstart
    """
    from study.records.ledger import Ledger
    from study.records.ledger_file import is_begun
    from study.records.paths import Home
    from study.running.stopping import ask_to_stop, wait_until_stopped

    paths = Home.current().existing(name)
    running = ask_to_stop(paths)
    if not as_json:
        console.print(f"Asked {running} to stop; waiting for its trials to finish their epoch")
    stopped = wait_until_stopped(paths, running, timeout_s)
    states: dict[str, int] = {}
    if stopped and is_begun(paths.ledger):
        with Ledger(paths.ledger) as ledger:
            for trial in ledger.trials().values():
                states[trial.state] = states.get(trial.state, 0) + 1
    if as_json:
        print_json({"study": name, "was_running": running, "stopped": stopped, "states": states})
    elif stopped:
        console.print(f"Study '{name}' has stopped: {in_words(states) or 'no trial ran'}. Launching it again goes on.")
    else:
        report_error(
            f"it still runs after {timeout_s:g} s; it was asked, '{program()} status {name}' says more", as_json=False
        )
    if not stopped:
        raise typer.Exit(1)
