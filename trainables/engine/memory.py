"""Memory of the process's own that training on the CPU uses again and again."""

from __future__ import annotations

import ctypes
import functools
import gc

KEPT_BYTES = 2**28  # free memory at the heap's end that is not handed back
LARGEST_BYTES = 2**25  # what a tensor may have to come from the heap; glibc allows no more

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


@functools.cache
def keep_freed_memory() -> None:
    """Have the C library keep what tensors free, for all of the process.

    By its defaults glibc hands activations of some megabytes back to the system and gets them anew, page by page and
    zeroed, each step. Elsewhere than on glibc nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGEST_BYTES)
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def hand_back_freed_memory() -> None:
    """Give the system what tensors freed, so that what the process holds is in use; on glibc alone."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return
