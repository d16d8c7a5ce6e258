"""study dashboard"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from study.cli.output import AsJson, console, print_json
from study.errors import StudyError

if TYPE_CHECKING:
    from study.records.paths import Home


LOCAL = "127.0.0.1"


def dashboard(
    port: Annotated[
        int,
        typer.Option(help="Port to listen on; links in reports lead to the last one that was used.", min=1, max=65535),
    ] = 5000,
    name: Annotated[str | None, typer.Option("--study", help="Show this study's own MLflow store.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; one that a network reaches needs --auth.")] = LOCAL,
    auth: Annotated[bool, typer.Option("--auth", help="Ask browsers and clients for user 'admin' and a password.")] = (
        False
    ),
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; else STUDY_DASHBOARD_PASSWORD, else you are asked.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A name by which browsers may call it; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve MLflow on 127.0.0.1 until Ctrl-C. With --json, only say how it would be served.

    Example: study dashboard --port 5001
    """
    from study.records.ledger import Ledger
    from study.records.paths import Home
    from study.tracking import launched_tracking, tracking_uri
    from study.tracking.links import CLASSICAL, dashboard_address, note_dashboard, page_address
    from study.tracking.server import ADMIN, Server, given_password, is_loopback

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
    server = Server(home, host, port, auth, allow_host or ())
    url = dashboard_address(port, host)
    tables = _tables(home, [name] if name else home.names(), uri, url)
    if as_json:
        print_json({"url": url, "command": server.command, "tables": tables})
        return
    server.check_port()
    password = given_password(password_file) if auth else None
    if auth and password is None:
        password = _ask()
    note_dashboard(home, url)
    console.print(f"MLflow: {url}/#/experiments?{CLASSICAL}   (Ctrl-C ends it)")
    if auth:
        console.print(f"User '{ADMIN}', with the password that you gave.")
    if not is_loopback(host):
        console.print("[yellow]The password travels readable:[/] put a server that speaks https before it.")
    if tables:
        console.print("Best config of each family and task (other tables: under Views, above it):")
    for study, address in tables.items():
        console.print(f"  {study}: {address}")
    environment = {**os.environ, **server.environment(uri, password)}
    os.execvpe(server.command[0], server.command, environment)


def _ask() -> str:
    from study.tracking.server import ADMIN, LEAST_PASSWORD, PASSWORD, check_password

    if not sys.stdin.isatty():
        raise StudyError(f"--auth needs a password; set {PASSWORD}, or name a file with --password-file")
    asked = f"Password for user '{ADMIN}' ({LEAST_PASSWORD} characters or more)"
    password: str = typer.prompt(asked, hide_input=True, confirmation_prompt=True)
    check_password(password)
    return password


def _tables(home: Home, names: Sequence[str], uri: str, address: str) -> dict[str, str]:
    """By study, where the store at `uri`, served at `address`, shows the best config of each family and task."""
    from study.records.ledger import Ledger
    from study.redaction import redacted
    from study.tracking.links import run_links

    found = {}
    for name in names:
        with suppress(StudyError), Ledger(home.study(name).ledger) as ledger:
            links = run_links(ledger, home)
            if links is not None and links.store == redacted(uri):
                found[name] = replace(links, address=address).table
    return found
