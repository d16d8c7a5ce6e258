"""What a study ran with: versions, commit, hardware."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import search_spaces
import trainables

PACKAGES = ("loss-study", "torch", "torchvision", "ray", "mlflow", "optuna", "numpy", "scikit-learn")


def package_versions() -> dict[str, str]:
    """Versions of everything that may change a number; 'not installed' where it is not there."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str:
    """The commit of this code, with `+changes` where the work tree differs from it.

    Outside a checkout, as on a cluster that was sent the code, what STUDY_COMMIT says; else 'unknown'.
    """
    root, elsewhere = Path(__file__).resolve().parents[2], os.environ.get("STUDY_COMMIT", "unknown")

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return elsewhere
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return elsewhere


def training_code() -> str:
    """12 hex digits of the source of everything that trains: a commit does not say what was changed since."""
    return _digest(Path(trainables.__file__).parent)


def planning_code() -> str:
    """12 hex digits of the source of what decides which trials a study has, and which of them are stopped early."""
    platform_root = Path(__file__).parents[1]
    folders = [platform_root / name for name in ("planning", "schedule", "search", "spec")]
    return _digest(Path(search_spaces.__file__).parent, *folders)


def _digest(*folders: Path) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def usable_cpus() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_gpus() -> int:
    """NVIDIA GPUs that this machine has, without starting CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def describe_environment() -> dict[str, Any]:
    """Versions, commit and machine, as the ledger and exported files keep them."""
    return {
        "packages": package_versions(),
        "python": platform.python_version(),
        "commit": git_commit(),
        "code": training_code(),
        "planning_code": planning_code(),
        "platform": platform.platform(),
        "cpus": usable_cpus(),
        "gpus": num_gpus(),
    }
