"""What `study doctor` looks at."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from study.errors import StudyError
from study.records.environment import num_gpus, package_versions, usable_cpus
from study.records.paths import Home
from study.results.numbers import counted
from study.security.advisories import known_weaknesses
from study.security.exposure import open_ports, readable_secrets, shared_places

GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """`verdict` is `ok`, `note` (works, with a word) or `bad` (a study would not run)."""

    what: str
    verdict: str
    said: str


def examine(home: Home) -> list[Finding]:
    """Every check, in order; a check that itself breaks is a finding."""
    findings = []
    for check in (
        _python,
        _packages,
        _machine,
        _gpus,
        _disk,
        _home,
        _ray,
        _torch,
        _weaknesses,
        _ports,
        _secrets,
        _sharing,
    ):
        findings += list(_guarded(check, home))
    return findings


def _guarded(check: Callable[[Home], Iterator[Finding]], home: Home) -> Iterator[Finding]:
    try:
        yield from check(home)
    except Exception as problem:  # a broken installation may raise anything
        yield Finding(check.__name__.strip("_"), "bad", f"{type(problem).__name__}: {problem}"[:300])


def _python(home: Home) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok" if sys.version_info >= (3, 11) else "bad", f"{version} (3.11 or newer is needed)")


def _packages(home: Home) -> Iterator[Finding]:
    versions = package_versions()
    missing = [name for name, version in versions.items() if version == "not installed"]
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield Finding("packages", "bad" if missing else "ok", said)


def _machine(home: Home) -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    verdict = "ok" if memory.available > 2 * GIB else "note"
    said = f"{usable_cpus()} cores; {memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB memory free"
    yield Finding("machine", verdict, said + ("" if verdict == "ok" else "; a worker takes 0.6 GiB"))


def _gpus(home: Home) -> Iterator[Finding]:
    yield Finding("gpus", "ok", f"{num_gpus()} (a study needs none)")


def _disk(home: Home) -> Iterator[Finding]:
    existing = next(path for path in [home.root, *home.root.parents] if path.exists())
    for what, path in (("disk", existing), ("scratch disk", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(path).free / GIB
        yield Finding(what, "ok" if free > 2 else "note" if free > 0.2 else "bad", f"{free:.1f} GiB free at {path}")


def _home(home: Home) -> Iterator[Finding]:
    existing = next(path for path in [home.root, *home.root.parents] if path.exists())
    if not os.access(existing, os.W_OK):
        raise StudyError(f"{home.root} cannot be written; set STUDY_HOME to a folder of yours")
    yield Finding("studies' home", "ok", f"{home.root} ({counted(len(home.names()), 'study', 'studies')})")


def _ray(home: Home) -> Iterator[Finding]:
    stale = Path(tempfile.gettempdir(), "ray", "ray_current_cluster")
    said = "a cluster is noted in /tmp/ray; studies start their own beside it" if stale.exists() else "no cluster noted"
    yield Finding("ray", "ok", said)


def _torch(home: Home) -> Iterator[Finding]:
    import torch
    import torchvision  # noqa: F401  a mismatched pair fails right here

    yield Finding(
        "torch",
        "ok",
        f"{torch.get_num_threads()} threads; CUDA {'yes' if torch.cuda.is_available() else 'no'}",
    )


def _weaknesses(home: Home) -> Iterator[Finding]:
    found = known_weaknesses(package_versions())
    for each in found:
        said = f"{each.name}: {each.what}; update {each.package} to {each.fixed} or newer ({each.source})"
        yield Finding("security", "note", said)
    if not found:
        yield Finding("security", "ok", "no version here has a weakness that this program knows of")


def _ports(home: Home) -> Iterator[Finding]:
    found = open_ports()
    for each in found:
        said = (
            f"{each.name} (process {each.pid}) listens on {each.address} port {each.port}, which a network reaches; "
            "end it, or start it on 127.0.0.1"
        )
        yield Finding("open port", "note", said)
    if not found:
        yield Finding("open ports", "ok", "none of yours is of a study, Ray or MLflow that a network reaches")


def _secrets(home: Home) -> Iterator[Finding]:
    found = readable_secrets(home)
    for path in found:
        yield Finding("token", "note", f"{path} can be read by others; chmod 600 {path}")
    if not found:
        yield Finding("tokens", "ok", "readable by you alone")


def _sharing(home: Home) -> Iterator[Finding]:
    for path, said in shared_places(home):
        yield Finding("shared folder", "note", f"{path}: {said}")
