"""Where MLflow's pages show a study's runs."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from study.records.ledger import Ledger
from study.records.paths import Home
from study.redaction import without_user
from study.tracking import launched_tracking, store_name, tracked_so_far
from study.tracking.mlflow_page import CELLS

DASHBOARD_PORT = 5000
ADDRESS = re.compile(r"http://([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}")  # of a dashboard; a report shows nothing else
EXPERIMENT = "experiment"  # stands for a trial's key where the ledger notes an experiment's id, and its name as state
STANDING = "standing"  # likewise, where it notes as state which confirmations the store was told to be outdated
CLASSICAL = "workflowType=machine_learning"  # MLflow's page is about language models unless it is told


@dataclass(frozen=True)
class RunLinks:
    """The runs of a study's cells and trials by key, in the experiment of that id and name.

    `served`: at a server's own address, not the dashboard's.
    """

    store: str
    address: str
    served: bool
    experiment: str
    name: str
    runs: Mapping[str, str]

    def address_of(self, run_id: str) -> str:
        """The page of a run."""
        return f"{self.address}/#/experiments/{self.experiment}/runs/{run_id}?{CLASSICAL}"

    @property
    def table(self) -> str:
        """The table of the best config of each family and task."""
        return f"{self.address}/#/experiments/{self.experiment}/runs?{CLASSICAL}&viewStateShareKey={CELLS}"


def run_links(ledger: Ledger, home: Home) -> RunLinks | None:
    """The links of a study, as the ledger noted its runs; None where it has none. MLflow is not asked."""
    tracking = launched_tracking(ledger)
    store = store_name(tracking, home)
    noted = tracked_so_far(ledger, store)
    experiment, _, name = noted.pop(EXPERIMENT, (None, 0, ""))
    noted.pop(STANDING, None)
    if experiment is None or not tracking.enabled:
        return None
    runs = {key: run_id for key, (run_id, _, _) in noted.items()}
    served = store.startswith(("http://", "https://"))
    address = page_address(store) if served else last_dashboard(home)
    return RunLinks(store, address, served, experiment, name, runs)


def dashboard_address(port: int = DASHBOARD_PORT, host: str = "127.0.0.1") -> str:
    """Where `study dashboard` serves; on all addresses, this machine's name."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


def last_dashboard(home: Home) -> str:
    """Where `study dashboard` served last in this home; where it would without options, if it never did."""
    try:
        address = home.dashboard.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return dashboard_address()
    return address if ADDRESS.fullmatch(address) else dashboard_address()


def note_dashboard(home: Home, address: str) -> None:
    """Remember where `study dashboard` serves; a home that cannot be written has links to where it would by default."""
    with suppress(OSError):
        home.dashboard.write_text(f"{address}\n", encoding="utf-8")


def page_address(uri: str) -> str:
    """A server's address without user name and password, which no page may show."""
    return without_user(uri).rstrip("/")
