"""study dashboard"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli.output import AsJson, console, print_json
from study.errors import StudyError

if TYPE_CHECKING:
    from study.paths import Home


def dashboard(
    port: Annotated[int, typer.Option(help="Port on the loopback address.", min=1, max=65535)] = 5000,
    name: Annotated[str | None, typer.Option("--study", help="Show this study's own MLflow store.")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve MLflow on 127.0.0.1 until Ctrl-C. With --json, only say how it would be served.

    Example: study dashboard --port 5001
    """
    import socket

    from study.ledger import Ledger
    from study.paths import Home
    from study.tracking import launched_tracking, tracking_uri
    from study.tracking.links import CLASSICAL, dashboard_address, page_address

    home = Home.current()
    uri = home.mlflow_uri
    if name is not None:
        with Ledger(home.existing(name).ledger) as ledger:
            uri = tracking_uri(launched_tracking(ledger), home)
    if uri.startswith(("http://", "https://")):
        url = page_address(uri)
        tables = _tables(home, [name] if name else [], uri, url)
        if as_json:
            print_json({"url": url, "tables": tables})
        else:
            console.print(f"The study is tracked by a server: open {tables.get(name or '', url)}")
        return
    if uri == home.mlflow_uri and not (home.root / "mlflow.db").is_file():
        step = f"study sync {home.names()[0]}" if home.names() else "study launch quickstart"
        raise StudyError(f"{home.root}: no MLflow store yet; make one with: {step}")
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--default-artifact-root", home.mlflow_artifacts.as_uri(),
    ]  # fmt: skip
    url = dashboard_address(port)
    tables = _tables(home, [name] if name else home.names(), uri, url)
    if as_json:
        print_json({"url": url, "command": command, "tables": tables})
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StudyError(f"port {port} is taken; choose another: study dashboard --port {port + 1}") from None
    console.print(f"MLflow: {url}/#/experiments?{CLASSICAL}   (Ctrl-C ends it)")
    if tables:
        console.print("Best config of each family and task (other tables: under Views, above it):")
    for study, address in tables.items():
        console.print(f"  {study}: {address}")
    light = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.execvpe(command[0], command, {**os.environ, **light})


def _tables(home: Home, names: Sequence[str], uri: str, address: str) -> dict[str, str]:
    """By study, where the store at `uri`, served at `address`, shows the best config of each family and task."""
    from study.ledger import Ledger
    from study.tracking.links import run_links
    from study.tracking.mlflow_store import redacted

    found = {}
    for name in names:
        with suppress(StudyError), Ledger(home.study(name).ledger) as ledger:
            links = run_links(ledger, home)
            if links is not None and links.store == redacted(uri):
                found[name] = replace(links, address=address).table
    return found
