"""How this process keeps its memory. For the command line only: a library must not change its host's allocator."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks of any size instead of giving them back to the system.

    Truths are made from a dozen float64 copies of a problem's tensors. By default each is a fresh mapping whose pages
    fault one by one; kept, a truth takes less than half the time. Children are not affected: a candidate is timed with
    the allocator its users have. Does nothing where there is no mallopt (another C library).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20)):
        mallopt(option, value)
