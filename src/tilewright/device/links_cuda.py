"""What lies between the host and a GPU, and between GPUs: rates of large copies, and the cost of calls in a burst."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

Call = Callable[[], object]
Pair = tuple[Any, Any]

_LINK_BYTES = 256 << 20
_BURST = 200  # eager calls, few enough for the queue of a stream


def links_of(index: int) -> dict[str, Callable[[], Pair]]:
    """Return the links of GPU `index`, which is the current one, by name: each makes (target, source) of a copy of
    256 MiB over it."""
    import torch

    def here() -> Any:
        return torch.empty(_LINK_BYTES, dtype=torch.uint8, device="cuda")

    def host() -> Any:
        return torch.empty(_LINK_BYTES, dtype=torch.uint8, pin_memory=True)

    def peer(other: int) -> Pair:
        return torch.empty(_LINK_BYTES, dtype=torch.uint8, device=f"cuda:{other}"), here()

    others = [i for i in range(torch.cuda.device_count()) if i != index]
    return {
        "host to device": lambda: (here(), host()),
        "device to host": lambda: (host(), here()),
        **{f"peer cuda:{i}": partial(peer, i) for i in others},
    }


def link_rate(make: Callable[[], Pair], samples: int) -> float:
    """Bytes/s of copying the second tensor that `make` makes into the first, the median over `samples` after one that
    nobody times."""
    import torch

    target, source = make()
    times = []
    for _ in range(samples + 1):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        first.record()
        target.copy_(source, non_blocking=True)
        last.record()
        last.synchronize()
        times.append(first.elapsed_time(last) * 1e-3)
    return source.nbytes / statistics.median(times[1:])


def burst_s(call: Call, samples: int) -> tuple[float, float]:
    """Seconds of the host and of the GPU per call, over bursts of calls that nobody waits for."""
    import torch

    hosts, gpus = [], []
    for _ in range(samples + 1):
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        first.record()
        started = time.perf_counter()
        for _ in range(_BURST):
            call()
        hosts.append((time.perf_counter() - started) / _BURST)
        last.record()
        last.synchronize()
        gpus.append(first.elapsed_time(last) * 1e-3 / _BURST)
    return statistics.median(hosts[1:]), statistics.median(gpus[1:])
