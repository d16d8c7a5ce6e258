"""Weaknesses of the libraries that a study uses, as far as they were published and matter here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version


@dataclass(frozen=True)
class Advisory:
    """`package` below version `fixed` has the weakness `name`: `what`, in a few words. `source` says so."""

    package: str
    fixed: str
    name: str
    what: str
    source: str


ADVISORIES = (
    Advisory(
        "mlflow", "3.16.1", "CVE-2026-2635", "basic auth begins with a password that everybody knows",
        "https://github.com/mlflow/mlflow/pull/25751",
    ),
    Advisory(
        "mlflow", "3.11.0", "CVE-2026-0545", "basic auth does not guard the endpoints of jobs",
        "https://github.com/advisories/GHSA-7qhf-v65m-g5f3",
    ),
    Advisory(
        "mlflow", "2.3.1", "CVE-2023-2356", "a server gives away any file of its machine",
        "https://www.sentinelone.com/vulnerability-database/cve-2023-2356/",
    ),
    Advisory(
        "ray", "2.55.0", "CVE-2026-41486", "a Parquet file can run code",
        "https://github.com/ray-project/ray/pull/62056",
    ),
    Advisory(
        "ray", "2.55.0", "CVE-2026-32981", "the dashboard gives away files of its machine",
        "https://github.com/opendatahub-io/notebooks/pull/3380",
    ),
    Advisory(
        "ray", "2.54.0", "CVE-2026-27482", "a web page can delete jobs through the dashboard",
        "https://github.com/ray-project/ray/security/advisories/GHSA-q5fh-2hc8-f6rq",
    ),
    Advisory(
        "torch", "2.10.0", "CVE-2026-24747", "a file read with weights_only can corrupt memory and run code",
        "https://github.com/pytorch/pytorch/security/advisories/GHSA-63cw-57p8-fm3p",
    ),
    Advisory(
        "torch", "2.6.0", "CVE-2025-32434", "a file read with weights_only can run code",
        "https://github.com/pytorch/pytorch/security/advisories/GHSA-53q9-r3pm-6pq6",
    ),
)  # fmt: skip


def known_weaknesses(versions: Mapping[str, str]) -> list[Advisory]:
    """Those that the installed `versions` have, by package; a version that cannot be read has none."""
    return [advisory for advisory in ADVISORIES if _is_below(versions.get(advisory.package, ""), advisory.fixed)]


def _is_below(version: str, fixed: str) -> bool:
    try:
        return Version(version) < Version(fixed)
    except InvalidVersion:
        return False
