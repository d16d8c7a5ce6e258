"""study stop"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from study.cli.output import AsJson, HeadUrl, StudyName, console, print_json, program, report_error
from study.records.states import in_words


def stop(
    name: StudyName,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait no longer than this.")
    ] = 600,
    address: HeadUrl = None,
    as_json: AsJson = False,
) -> None:
    """End a running study gently: trials finish their epoch, save and leave; launching again goes on.

    Ends with 1 where it still runs after the timeout. Example: study stop quickstart
    """
    if address is not None:
        _stop_there(name, address, timeout_s, as_json)
        return
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
    _tell({"study": name, "was_running": running, "stopped": stopped, "states": states}, timeout_s, as_json)


def _stop_there(name: str, address: str, timeout_s: float, as_json: bool) -> None:
    """Ask on a cluster's head: its job server would leave a driver seconds to save what is running on all nodes."""
    from study.errors import StudyError
    from study.remote.client import Cluster
    from study.remote.jobs import ask, driver

    cluster = Cluster(address)
    job = driver(cluster, name)
    if not as_json and job:
        console.print(f"Asking job {job.id} to stop; waiting for its trials to finish their epoch")
    answer = ask(cluster, "stop", name, "--timeout", f"{timeout_s:g}", "--json")
    try:
        told = answer.json()
    except StudyError as refused:
        early = any(words in str(refused) for words in ("is not running", "unknown study"))
        if job is None or not early or not cluster.job(job.id).under_way:
            raise
        cluster.stop(job.id)  # it has not come to training: there is nothing to save
        told = {"study": name, "was_running": f"job {job.id}", "stopped": True, "states": {}}
    _tell(told, timeout_s, as_json)


def _tell(told: dict[str, Any], timeout_s: float, as_json: bool) -> None:
    name, stopped, states = told["study"], told["stopped"], told["states"]
    if as_json:
        print_json(told)
    elif stopped:
        console.print(f"Study '{name}' has stopped: {in_words(states) or 'no trial ran'}. Launching it again goes on.")
    else:
        report_error(
            f"it still runs after {timeout_s:g} s; it was asked, '{program()} status {name}' says more", as_json=False
        )
    if not stopped:
        raise typer.Exit(1)
