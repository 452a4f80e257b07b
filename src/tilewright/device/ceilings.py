"""Measure the ceilings of this machine: memory by size and direction, matrix products, exp, one call.

A ceiling is what the best of several honest ways reaches, on random data and in memory that was touched before; so a
kernel that does the same work is compared with something that exists. Each number is the best of the medians of small
groups of calls: a median throws out the odd slow call, the best group throws out the time when others used the
machine. One thread is always among the ways: small work is best done by one, and a team of threads stalls when another
process takes one of its cores. The idea of measured roofs is triton_kernels' `roofline.py`.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import ceilings_cuda
from .nouns import Curve, Device, Profile
from .stored import store_profile

if TYPE_CHECKING:
    import torch

Progress = Callable[[str], None]
Streams = tuple[
    Callable[["torch.Tensor", "torch.Tensor"], None],
    Callable[["torch.Tensor"], None],
    Callable[["torch.Tensor", int], None],
]

_SMALLEST_BYTES = 32 << 10
_ASSUMED_CACHE_BYTES = 32 << 20  # where the machine does not report its last-level cache
_MATRIX_SHAPES = ((256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 1024), (4096, 4096, 2048))
_GROUP = 3


@dataclass(frozen=True)
class _Effort:
    """Seconds for one way to move memory at one size, and for one matrix shape; which of the sizes are measured."""

    op_s: float
    matrix_s: float
    every: int


_THOROUGH, _QUICK = _Effort(0.025, 0.12, 1), _Effort(0.008, 0.04, 3)


def calibrate(
    device: Device, progress: Progress | None = None, *, quick: bool = False, streams: Streams | None = None
) -> Device:
    """Measure `device` (10 to 30 s), store the profile for later runs, and return the device with it attached.

    `quick` takes 3 to 5 s, for a machine that was never measured: fewer sizes, less repetition, lower certainty.
    `streams` are further ways for a CPU, as measure.streams has them: copy(target, source) and fill(target) over
    float32 tensors, and repeat_exp(values, rounds), which applies exp to registers.

    Raises DeviceUnavailable for a device that cannot be measured here. A cache folder that cannot be written is
    reported through `progress`, and the profile then lives as long as the returned device.
    """
    say = progress or (lambda _: None)
    started = time.perf_counter()
    measured = ceilings_cuda.measure(device, say, quick) if device.kind == "cuda" else _cpu(device, say, quick, streams)
    profile = measured.with_(seconds=round(time.perf_counter() - started, 2), quick=quick)
    try:
        say(f"stored {store_profile(profile)}")
    except OSError as error:
        say(f"could not store the profile ({error}); set TILEWRIGHT_CACHE to a folder that can be written")
    return device.with_(profile=profile)


def best_median_s(op: Callable[[], object], budget_s: float) -> float:
    """Return seconds per call of `op`: the best of the medians of groups of calls, over about `budget_s`."""
    op()
    started = time.perf_counter()
    op()
    once_s = time.perf_counter() - started
    if once_s > budget_s:  # so slow that a clock tick is nothing beside it
        started = time.perf_counter()
        op()
        return min(once_s, time.perf_counter() - started)
    inner = max(1, min(1000, int(20e-6 / max(once_s, 1e-9))))  # a sample lasts 20 us or more
    stop, best_s = time.perf_counter() + budget_s, once_s
    while True:
        samples = []
        for _ in range(_GROUP):
            started = time.perf_counter()
            for _ in range(inner):
                op()
            samples.append((time.perf_counter() - started) / inner)
        best_s = min(best_s, statistics.median(samples))
        if time.perf_counter() > stop:
            return best_s


def _cpu(device: Device, say: Progress, quick: bool, streams: Streams | None) -> Profile:
    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"other processes keep {load:.1f} cores busy: measure again on a quiet machine for the true ceilings")
    with _threads(int(device.fingerprint.get("threads") or device.cores)):  # type: ignore[arg-type]
        profile = _measure_cpu(device, say, _QUICK if quick else _THOROUGH, streams)
    return profile.with_(load=round(load, 2))


def _measure_cpu(device: Device, say: Progress, effort: _Effort, streams: Streams | None) -> Profile:
    import torch

    cache_bytes = device.cache_bytes or _ASSUMED_CACHE_BYTES
    every = _sizes(cache_bytes, device.memory_bytes)
    sizes = every[:: -effort.every][::-1]  # the largest is always among them
    say("memory, by size")
    pool = torch.rand(max(sizes) // 4)
    copy, read, write = _memory_curves(pool, sizes, effort.op_s, streams)
    del pool
    say("fresh memory")
    fresh = _curve(
        [n for n in sizes if n <= 4 * cache_bytes][::-2],
        lambda n: [lambda: torch.empty(n // 4).fill_(1.0)],
        effort.op_s,
    )
    matrix = {}
    for name in ("float32", "float64", "bfloat16", "float16", "int8"):
        say(f"matrix product, {name}")
        if rate := _matrix_rate(name, effort.matrix_s):
            matrix[name] = rate
    say("special functions and one call")
    return Profile(
        copy=copy,
        read=read,
        write=write,
        fresh_write=fresh,
        matrix=matrix,
        call_s=_call_s(4 * effort.op_s),
        special_per_s=_special_per_s(4 * effort.op_s, streams),
        fingerprint=device.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _sizes(cache_bytes: int, memory_bytes: int) -> list[int]:
    """Powers of two from 32 KiB to eight times the last-level cache, within an eighth of the memory."""
    sizes = [_SMALLEST_BYTES]
    while sizes[-1] < 8 * cache_bytes and 2 * sizes[-1] <= memory_bytes // 8:
        sizes.append(2 * sizes[-1])
    return sizes


def _memory_curves(
    pool: torch.Tensor, sizes: list[int], budget_s: float, streams: Streams | None
) -> tuple[Curve, Curve, Curve]:
    """Copy, read and write rates over float32 `pool`, which is as large as the largest size."""
    import torch

    def copies(n: int) -> list[Callable[[], object]]:
        source, target = pool[: n // 8], pool[n // 8 : n // 4]
        ways: list[Callable[[], object]] = [lambda: target.copy_(source), lambda: torch.neg(source, out=target)]
        return [*ways, lambda: streams[0](target, source)] if streams else ways

    def reads(n: int) -> list[Callable[[], object]]:
        both, left, right = pool[: n // 4], pool[: n // 8], pool[n // 8 : n // 4]
        return [lambda: both.sum(), lambda: torch.dot(left, right), lambda: both.amax()]

    def writes(n: int) -> list[Callable[[], object]]:
        target = pool[: n // 4]
        ways: list[Callable[[], object]] = [lambda: target.fill_(1.0), lambda: target.zero_()]
        return [*ways, lambda: streams[1](target)] if streams else ways

    copy, read = _curve(sizes, copies, budget_s), _curve(sizes, reads, budget_s)
    return copy, read, _curve(sizes, writes, budget_s)  # last: it overwrites the random data that the others need


def _curve(sizes: list[int], ways: Callable[[int], list[Callable[[], object]]], budget_s: float) -> Curve:
    """For each size in bytes, the best rate (bytes/s) over the ways to move that many bytes, with all threads and with
    one. A point far below both neighbours is no property of the memory: it is measured once more, for longer."""
    sizes = sorted(set(sizes))
    rates = [_best_rate(n, ways(n), budget_s) for n in sizes]
    for i in range(1, len(sizes) - 1):
        if rates[i] < 0.7 * min(rates[i - 1], rates[i + 1]):
            rates[i] = max(rates[i], _best_rate(sizes[i], ways(sizes[i]), 4 * budget_s))
    return tuple(zip(sizes, rates))


def _best_rate(amount: int, ways: list[Callable[[], object]], budget_s: float) -> float:
    """The best of `amount` per second over the ways, with one thread and with all."""
    import torch

    team = torch.get_num_threads()
    best_s = float("inf")
    for threads in sorted({1, team}):
        with _threads(threads):
            best_s = min([best_s, *(best_median_s(op, budget_s) for op in ways)])
    return amount / best_s


def _matrix_rate(dtype: str, budget_s: float) -> float | None:
    """The best flop/s of a matrix product over several shapes; None where torch has none for this dtype here."""
    import torch

    best = 0.0
    for m, n, k in _MATRIX_SHAPES:
        flops = 2 * m * n * k
        if best and flops / best > budget_s:
            break
        try:
            product = _product(getattr(torch, dtype), m, n, k)
            product()
        except RuntimeError:  # torch has no kernel for this dtype on this CPU
            return best or None
        best = max(best, _best_rate(flops, [product], budget_s))
    return best or None


def _product(dtype: torch.dtype, m: int, n: int, k: int) -> Callable[[], object]:
    import torch

    if dtype == torch.int8:
        a, b = torch.randint(-128, 128, (m, k), dtype=dtype), torch.randint(-128, 128, (k, n), dtype=dtype)
        return lambda: torch._int_mm(a, b)
    x, y = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
    out = torch.empty(m, n, dtype=dtype)
    return lambda: torch.mm(x, y, out=out)


def _call_s(budget_s: float) -> float:
    """Seconds of one call of an operation on one element, results in place."""
    import torch

    x, out = torch.rand(1), torch.empty(1)
    return best_median_s(lambda: torch.neg(x, out=out), budget_s)


def _special_per_s(budget_s: float, streams: Streams | None) -> float:
    """The best rate of exp in float32 (functions per second): torch's over data of several sizes, and, where the
    caller has it, that of a loop which keeps its numbers in registers."""
    import torch

    best = 0.0
    for count in (1 << 14, 1 << 16, 1 << 18, 1 << 20):
        x, out = torch.randn(count), torch.empty(count)
        best = max(best, count / best_median_s(lambda x=x, out=out: torch.exp(x, out=out), budget_s))  # type: ignore[misc]
    if streams:
        values, rounds = torch.rand(1 << 14), 64
        best = max(best, _best_rate(values.numel() * rounds, [lambda: streams[2](values, rounds)], budget_s))
    return best


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Run with `count` torch threads, without gradients, and give the caller's settings back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)
