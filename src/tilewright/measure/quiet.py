"""Is a child at rest between calls? What still runs then does work that no clock sees.

The kernel counts the processor time of every thread. Of a child that waits for its next request it grows by nothing;
of one whose threads or processes look for new inputs on their own, it does, however rarely they look.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

_SETTLE_S = 0.02  # threads of a parallel loop go on turning for a few milliseconds
_WINDOW_S = 0.03
_WINDOWS = 12  # on a busy machine threads take longer to fall asleep
_AT_REST = 0.005  # of one processor; a thread that looks once in a millisecond takes several times that


def busy_share(pid: int, sandbox: str) -> float:
    """Return the share of one processor that `pid` and everything below it take while they should wait: the least of
    some short windows. 0 where the kernel does not tell. Behind namespaces `pid` and its only child are no candidate's:
    they wait for what is below them, and watch its numbers."""
    time.sleep(_SETTLE_S)
    least = float("inf")
    watchers = 2 if "namespaces" in sandbox else 0
    for _ in range(_WINDOWS):
        begun, before_s = time.perf_counter(), cpu_s(pid, watchers)
        time.sleep(_WINDOW_S)
        spent_s = cpu_s(pid, watchers) - before_s
        least = min(least, spent_s / (time.perf_counter() - begun))
        if least <= _AT_REST:
            return least
    return least


def is_at_rest(share: float) -> bool:
    return share <= _AT_REST


def cpu_s(pid: int, watchers: int = 0) -> float:
    """Seconds of processor time that all living threads of `pid` and of its descendants have had, less those of the
    topmost `watchers`."""
    return sum(_threads_s(one) for one in family(pid)[watchers:])


def family(pid: int) -> list[int]:
    """`pid` and its descendants, also those in PID namespaces below this one."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):  # it may have ended by now
                parents[int(name)] = _parent(int(name))
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def _threads_s(pid: int) -> float:
    total_ns = 0
    for path in _threads(pid):
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"{path}/schedstat") as file:
            total_ns += int(file.read().split()[0])
    return total_ns / 1e9


def _threads(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        yield from (f"/proc/{pid}/task/{name}" for name in os.listdir(f"/proc/{pid}/task"))
