"""How many lanes fit into memory, as the first epochs of an array show."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

import psutil
import torch

FILLED = 0.8  # of the free memory that lanes may take: what is left is for what the first epochs do not show
CGROUP = Path("/sys/fs/cgroup")
CGROUP_FILES = (  # limit, usage and, in the third, what of the usage is pages of files that nobody needs: v2, v1
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


class Memory(ABC):
    """A device's memory, in bytes, and what of it this process holds."""

    @abstractmethod
    def free(self) -> float:
        """What can still be taken, by anyone."""

    @abstractmethod
    def held(self) -> float:
        """What this process holds, without what lanes share anyway."""

    @abstractmethod
    def restart(self) -> None:
        """Forget the peak."""

    @abstractmethod
    def peak(self) -> float:
        """The most that it held since then."""


class GpuMemory(Memory):
    """A GPU's, as torch counts it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def free(self) -> float:
        unused = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return torch.cuda.mem_get_info(self.device)[0] + unused

    def held(self) -> float:
        return torch.cuda.memory_allocated(self.device)

    def restart(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> float:
        return torch.cuda.max_memory_allocated(self.device)


class HostMemory(Memory):
    """The machine's or the container's. Elsewhere than on Linux nothing is seen to be held."""

    def free(self) -> float:
        return min(psutil.virtual_memory().available, free_in_cgroup(CGROUP))

    def held(self) -> float:
        return _status().get("RssAnon", 0)

    def restart(self) -> None:
        with suppress(OSError):  # where it is not allowed, the peak is that of the process's life
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def peak(self) -> float:
        status = _status()
        files = status.get("RssFile", 0) + status.get("RssShmem", 0)  # images and libraries
        return status.get("VmHWM", 0) - files


class Room:
    """Bounds the lanes of an array by the memory that each takes while an epoch is trained.

    That is measured from when the array had none. `share` is the part of the free memory that this process may count
    on: others train on the same device.
    """

    def __init__(self, memory: Memory, share: float) -> None:
        self.memory, self.share, self.free = memory, share, math.inf
        self.before = 0.0

    def begin(self, *, empty: bool) -> None:
        """An epoch is about to be trained, and its lanes to be taken in; the array is `empty` before it."""
        if empty:
            self.free, self.before = self.share * self.memory.free(), self.memory.held()
        self.memory.restart()

    def lanes(self, trained: int) -> int:
        """How many lanes fit, now that so many have trained an epoch; one always does."""
        each = max(1.0, (self.memory.peak() - self.before) / trained)
        return max(1, int(FILLED * self.free / each))


def memory_of(device: str) -> Memory:
    """The memory of a device."""
    where = torch.device(device)
    return GpuMemory(where) if where.type == "cuda" else HostMemory()


def free_in_cgroup(root: Path) -> float:
    """Bytes that the control group's limit leaves; infinity where there is none."""
    for limit, usage, statistics, reclaimable in CGROUP_FILES:
        try:
            at_most = int((root / limit).read_text(encoding="ascii"))
            used = int((root / usage).read_text(encoding="ascii"))
            lines = (root / statistics).read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):  # not this version's files, or a limit of "max"
            continue
        pages = {name: int(count) for name, count in (line.split() for line in lines)}
        return max(0, at_most - used + pages.get(reclaimable, 0))
    return math.inf


def _status() -> dict[str, int]:
    """Bytes of this process by the kernel's names."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        parts = (line.split() for line in lines if line.endswith(" kB"))
        return {name.rstrip(":"): 1024 * int(kilobytes) for name, kilobytes, _ in parts}
    return {}
