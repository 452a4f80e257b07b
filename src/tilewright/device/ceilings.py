"""Measure the ceilings of this machine: memory by size and direction, matrix products by dtype, exp, one call.

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
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import ceilings_cuda
from .nouns import BUSY_LOAD, Curve, Device, Profile
from .stored import store_profile
from .ways import Call, Rate, best_rate, threads

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


@dataclass(frozen=True)
class _Effort:
    """Seconds for one way to move memory at one size, and for one matrix shape; which of the sizes are measured, and in
    how many takes. Of one take nobody can say how far it is from another."""

    op_s: float
    matrix_s: float
    every: int
    takes: int = 2


_THOROUGH, _QUICK = _Effort(0.025, 0.12, 1), _Effort(0.008, 0.04, 3, takes=1)


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


def _cpu(device: Device, say: Progress, quick: bool, streams: Streams | None) -> Profile:
    load = os.getloadavg()[0]
    if load > BUSY_LOAD:
        say(f"other processes keep {load:.1f} cores busy: measure again on a quiet machine for the true ceilings")
    with threads(int(device.fingerprint.get("threads") or device.cores)):  # type: ignore[arg-type]
        profile = _measure_cpu(device, say, _QUICK if quick else _THOROUGH, streams)
    return profile.with_(load=round(load, 2))


def _measure_cpu(device: Device, say: Progress, effort: _Effort, streams: Streams | None) -> Profile:
    import torch

    found = _Found(effort.takes)
    cache_bytes = device.cache_bytes or _ASSUMED_CACHE_BYTES
    every = _sizes(cache_bytes, device.memory_bytes)
    sizes = every[:: -effort.every][::-1]  # the largest is always among them
    say("memory, by size")
    pool = torch.rand(max(sizes) // 4)
    copy, read, write = _memory_curves(found, pool, sizes, effort.op_s, streams)
    del pool
    say("fresh memory")
    small = [n for n in sizes if n <= 4 * cache_bytes][::-2]
    fresh = _curve(found, "fresh write", small, lambda n: [lambda: torch.empty(n // 4).fill_(1.0)], effort.op_s)
    matrix = {}
    for name in ("float32", "float64", "bfloat16", "float16", "float8", "int8"):
        say(f"matrix product, {name}")
        if rate := _matrix_rate(found, name, effort.matrix_s):
            matrix[name] = rate
    say("special functions and one call")
    return Profile(
        copy=copy,
        read=read,
        write=write,
        fresh_write=fresh,
        matrix=matrix,
        matrix_sizes=found.matrix_sizes,
        call_s=1 / found.rate("call", 1.0, [_call()], 4 * effort.op_s, (torch.get_num_threads(),)),
        special_per_s=_special_per_s(found, 4 * effort.op_s, streams),
        spread=found.spread,
        missing=found.missing,
        fingerprint=device.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@dataclass
class _Found:
    """What is known beside the rates: how far two takes of each were apart, every matrix shape, and what is missing."""

    takes: int
    spread: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    matrix_sizes: dict[str, tuple[tuple[int, int, int, float], ...]] = field(default_factory=dict)

    def rate(self, name: str, amount: float, ways: list[Call], budget_s: float, teams: tuple[int, ...] = ()) -> float:
        """The best rate over the ways; the spread of the fastest stands for the ceiling `name`."""
        found = self.take(amount, ways, budget_s, teams)
        self.note(name, found.spread)
        return found.per_s

    def take(self, amount: float, ways: list[Call], budget_s: float, teams: tuple[int, ...] = ()) -> Rate:
        return best_rate(amount, ways, budget_s, teams, self.takes)

    def note(self, name: str, spread: float) -> None:
        if self.takes > 1:
            self.spread[name] = round(spread, 4)


def _sizes(cache_bytes: int, memory_bytes: int) -> list[int]:
    """Powers of two from 32 KiB to eight times the last-level cache, within an eighth of the memory."""
    sizes = [_SMALLEST_BYTES]
    while sizes[-1] < 8 * cache_bytes and 2 * sizes[-1] <= memory_bytes // 8:
        sizes.append(2 * sizes[-1])
    return sizes


def _memory_curves(
    found: _Found, pool: torch.Tensor, sizes: list[int], budget_s: float, streams: Streams | None
) -> tuple[Curve, Curve, Curve]:
    """Copy, read and write rates over float32 `pool`, which is as large as the largest size."""
    import torch

    def copies(n: int) -> list[Call]:
        source, target = pool[: n // 8], pool[n // 8 : n // 4]
        ways: list[Call] = [lambda: target.copy_(source), lambda: torch.neg(source, out=target)]
        return [*ways, lambda: streams[0](target, source)] if streams else ways

    def reads(n: int) -> list[Call]:
        both, left, right = pool[: n // 4], pool[: n // 8], pool[n // 8 : n // 4]
        return [lambda: both.sum(), lambda: torch.dot(left, right), lambda: both.amax()]

    def writes(n: int) -> list[Call]:
        target = pool[: n // 4]
        ways: list[Call] = [lambda: target.fill_(1.0), lambda: target.zero_()]
        return [*ways, lambda: streams[1](target)] if streams else ways

    copy, read = _curve(found, "copy", sizes, copies, budget_s), _curve(found, "read", sizes, reads, budget_s)
    # Last: it overwrites the random data that the others need.
    return copy, read, _curve(found, "write", sizes, writes, budget_s)


def _curve(found: _Found, name: str, sizes: list[int], ways: Callable[[int], list[Call]], budget_s: float) -> Curve:
    """For each size in bytes, the best rate (bytes/s) over the ways to move that many bytes, with all threads and with
    one. A point far below both neighbours is no property of the memory: it is measured once more, for longer."""
    sizes = sorted(set(sizes))
    rates = [found.take(n, ways(n), budget_s) for n in sizes]
    for i in range(1, len(sizes) - 1):
        if rates[i].per_s < 0.7 * min(rates[i - 1].per_s, rates[i + 1].per_s):
            again = found.take(sizes[i], ways(sizes[i]), 4 * budget_s)
            rates[i] = max(rates[i], again, key=lambda rate: rate.per_s)
    found.note(name, statistics.median(rate.spread for rate in rates))
    return tuple((size, rate.per_s) for size, rate in zip(sizes, rates))


def _matrix_rate(found: _Found, dtype: str, budget_s: float) -> float | None:
    """The best flop/s of a matrix product over several shapes; None where torch has none for this dtype here."""
    best: Rate | None = None
    shapes: list[tuple[int, int, int, float]] = []
    for m, n, k in _MATRIX_SHAPES:
        flops = 2 * m * n * k
        if best and flops / best.per_s > budget_s:
            break
        try:
            product = _product(dtype, m, n, k)
            product()
        except (AttributeError, RuntimeError) as error:  # torch has no kernel for this dtype on this CPU
            if not shapes:
                found.missing[f"matrix {dtype}"] = (str(error).splitlines() or ["no reason given"])[0][:200]
            break
        rate = found.take(flops, [product], budget_s)
        shapes.append((m, n, k, rate.per_s))
        best = rate if best is None or rate.per_s > best.per_s else best
    if best is None:
        return None
    found.note(f"matrix {dtype}", best.spread)
    found.matrix_sizes[dtype] = tuple(shapes)
    return best.per_s


def _product(name: str, m: int, n: int, k: int) -> Call:
    import torch

    if name == "int8":
        a, b = (torch.randint(-128, 128, shape, dtype=torch.int8) for shape in ((m, k), (k, n)))
        return lambda: torch._int_mm(a, b)
    if name == "float8":
        x, w = (torch.randn(rows, k).to(torch.float8_e4m3fn) for rows in (m, n))
        one = torch.ones(())
        return lambda: torch._scaled_mm(x, w.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    dtype = getattr(torch, name)
    x, y = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
    out = torch.empty(m, n, dtype=dtype)
    return lambda: torch.mm(x, y, out=out)


def _call() -> Call:
    """One call of an operation on one element, results in place."""
    import torch

    x, out = torch.rand(1), torch.empty(1)
    return lambda: torch.neg(x, out=out)


def _special_per_s(found: _Found, budget_s: float, streams: Streams | None) -> float:
    """The best rate of exp in float32 (functions per second): torch's over data of several sizes, and, where the
    caller has it, that of a loop which keeps its numbers in registers."""
    import torch

    best = Rate(0.0, 0.0)
    for count in (1 << 14, 1 << 16, 1 << 18, 1 << 20):
        x, out = torch.randn(count), torch.empty(count)
        team = (torch.get_num_threads(),)
        rate = found.take(count, [lambda x=x, out=out: torch.exp(x, out=out)], budget_s, team)  # type: ignore[misc]
        best = max(best, rate, key=lambda r: r.per_s)
    if streams:
        values, rounds = torch.rand(1 << 14), 64
        rate = found.take(values.numel() * rounds, [lambda: streams[2](values, rounds)], budget_s)
        best = max(best, rate, key=lambda r: r.per_s)
    found.note("exp", best.spread)
    return best.per_s
