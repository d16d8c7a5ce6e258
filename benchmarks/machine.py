"""The facts without which a time says nothing: hardware, versions, commit, date."""

from __future__ import annotations

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

from study.records.environment import describe_environment

ROOT = Path(__file__).resolve().parents[1]


def cpu_model() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_run() -> dict[str, Any]:
    """Versions, commit and machine as the ledger keeps them, with processor, memory and date."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": os.getloadavg()[0],
        **describe_environment(),
    }


def headline(facts: dict[str, Any]) -> str:
    """`describe_run` in one line."""
    packages = ", ".join(f"{name} {facts['packages'][name]}" for name in ("torch", "ray", "optuna", "mlflow"))
    return (
        f"{facts['date']}, commit {facts['commit'][:12]}, {facts['cpus']} cores ({facts['cpu']}), "
        f"{facts['memory_gib']} GiB, load {facts['load_before']:.1f}; {packages}"
    )


def write_json(path: Path | None, document: dict[str, Any]) -> None:
    """Raw results, where a file was asked for."""
    if path is not None:
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
