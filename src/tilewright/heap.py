"""How a process of ours keeps its memory: the command line's, and every child's. Never a host program's.

A block of many megabytes that is freed goes back to the system by default, and its next owner pays for every page
again: several times the work of a memory-bound kernel, and on a virtual machine, whose host may have taken the pages
away, ten times more in one minute than in the next. Kernels are therefore timed as on a GPU, whose caching allocator
hands out memory that is already there, and as PyTorch's tuning guide for CPUs advises with jemalloc or tcmalloc. All
candidates and baselines are treated alike.
"""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks of any size instead of giving them back to the system.

    Does nothing where there is no mallopt (another C library). Truths, which are made from a dozen float64 copies of a
    problem's tensors, take less than half the time this way.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20)):
        mallopt(option, value)


def collect_rarely() -> None:
    """Look for garbage in cycles a hundred times less often: with torch imported every look goes through a million
    objects, which takes longer than judging a small kernel, and what a command leaves behind ends with it."""
    gc.set_threshold(70_000, 50, 100)
