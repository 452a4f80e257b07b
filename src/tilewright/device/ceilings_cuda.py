"""Measure the ceilings of a GPU: memory by size, direction and warmth, matrix products, exp, launches.

Everything is timed by replaying CUDA graphs (replay.py). "Cold" means that the buffers of successive calls are rotated
through three times the L2 cache, so that each call finds its inputs in memory and pushes older outputs out. "Cool"
means a pause before each sample: back to back, matrix products meet the power limit within 50 ms and the clock falls.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from .clock_state import ClockSample, ClockState
from .nouns import Curve, Device, DeviceUnavailable, Profile

Progress = Callable[[str], None]
Call = Callable[[], object]

_SMALLEST_BYTES, _LARGEST_BYTES = 256 << 10, 2 << 30
_ROTATED_CACHES = 3
_PAUSE_S = 0.025
_BURST = 200  # eager calls, few enough for the queue of a stream
_WIDTHS = {"bfloat16": 2, "float16": 2, "tf32": 4, "float32": 4, "float64": 8, "float8": 1, "int8": 1}  # bytes
# M, N, K; a square one, a larger one, and one with a long sum, where the rate of some libraries is highest.
_MATRIX_SHAPES = ((8192, 8192, 8192), (4096, 4096, 4096), (4096, 7168, 16384))


@dataclass(frozen=True)
class _Effort:
    """What is measured: each how many-th size, how many ways to move memory and matrix shapes, samples of each, and
    for how long a replay and a sustained run last."""

    every: int
    ways: int
    shapes: int
    samples: int
    replay_s: float
    sustained_s: float


_THOROUGH, _QUICK = _Effort(1, 4, 3, 5, 2e-3, 1.0), _Effort(3, 1, 1, 3, 1e-3, 0.0)


def measure(device: Device, say: Progress, quick: bool = False) -> Profile:
    """Return the measured profile of GPU `device` (about 25 s; `quick` about 4 s). Raises DeviceUnavailable."""
    import torch

    if not torch.cuda.is_available() or device.index >= torch.cuda.device_count():
        raise DeviceUnavailable(f"{device.name} cannot be measured here: PyTorch sees no GPU {device.index}")
    if torch.cuda.get_device_name(device.index) != device.name:
        there = torch.cuda.get_device_name(device.index)
        raise DeviceUnavailable(f"GPU {device.index} here is {there}, not {device.name}: detect the device again")
    with torch.no_grad(), torch.cuda.device(device.index):
        try:
            return _Bench(device, say, _QUICK if quick else _THOROUGH).profile()
        finally:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()


class _Bench:
    """One calibration: the GPU, the clock that is read beside it, and the stream that everything runs on."""

    def __init__(self, device: Device, say: Progress, effort: _Effort) -> None:
        import torch

        self.device, self.say, self.effort = device, say, effort
        self.clock = ClockState(device.index)
        self.stream = torch.cuda.Stream()
        self.clocks: dict[str, ClockSample] = {}

    def profile(self) -> Profile:
        found: dict[str, Any] = {"load": round(self.clock.busy or 0.0, 2)}
        self._note("idle", self.clock.sample())
        self.say("memory, by size")
        found |= self._memory()
        self.say("special functions and launches")
        found |= self._launches() | {"special_per_s": self._special_per_s(), "power_limit_w": self.clock.power_limit_w}
        found["matrix"], found["matrix_sustained"] = self._matrix()  # last: it heats the GPU
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Profile(**found, clocks=self.clocks, fingerprint=self.device.fingerprint, created=now)

    def _note(self, name: str, state: ClockSample | None) -> None:
        if state is not None:
            self.clocks[name] = state

    def _memory(self) -> dict[str, Curve]:
        """The six curves, over one pool of random float32 that is as large as the largest size."""
        import torch

        from . import ceiling_kernels as kernels

        sizes = self._sizes()
        pool = torch.rand(sizes[-1] // 4, device="cuda")
        sink = torch.empty(2048, device="cuda")
        torch.cuda.synchronize()
        kinds: dict[str, Callable[[torch.Tensor], list[Call]]] = {
            "copy": lambda view: [*kernels.copies(view), partial(_copy_, view)],
            "read": lambda view: kernels.reads(view, sink),
            "write": lambda view: [*kernels.writes(view), partial(view.fill_, 0.5)],  # last: it overwrites the pool
        }
        found: dict[str, Curve] = {}
        beyond = _ROTATED_CACHES * self.device.cache_bytes
        for kind, ways in kinds.items():
            cold = [(n, self._best_rate(n, ways, pool, -(-beyond // n))) for n in sizes]
            warm = [(n, self._best_rate(n, ways, pool, 1)) if n < beyond else (n, rate) for n, rate in cold]
            found |= {f"cold_{kind}": tuple(cold), kind: tuple(warm)}
        return found

    def _sizes(self) -> list[int]:
        """Powers of two from 256 KiB to 2 GiB, or to a quarter of the memory that is free; the largest always."""
        import torch

        free_bytes, _ = torch.cuda.mem_get_info()
        sizes = [_SMALLEST_BYTES]
        while sizes[-1] < _LARGEST_BYTES and 2 * sizes[-1] <= free_bytes // 4:
            sizes.append(2 * sizes[-1])
        return sizes[:: -self.effort.every][::-1]

    def _best_rate(self, size: int, ways: Callable[[Any], list[Call]], pool: Any, slots: int) -> float:
        """The best bytes/s over the ways to move `size` bytes, in turn in each of `slots` parts of `pool`."""
        slots = max(1, min(slots, pool.numel() * 4 // size))
        views = [pool[i * size // 4 : (i + 1) * size // 4] for i in range(slots)]
        by_way = list(zip(*(ways(view) for view in views)))[: self.effort.ways]
        return size / min(self._call_s(calls) for calls in by_way)

    def _call_s(self, calls: Sequence[Call]) -> float:
        from .replay import capture

        return capture(calls, self.effort.replay_s, self.stream).seconds_per_call(self.effort.samples).call_s

    def _matrix(self) -> tuple[dict[str, float], dict[str, float]]:
        """The best matrix rate of each dtype, cool, and the rate of the same shape back to back."""
        cool: dict[str, float] = {}
        sustained: dict[str, float] = {}
        for name in _WIDTHS:
            self.say(f"matrix product, {name}")
            with _matmul_precision("tf32" if name == "tf32" else "ieee"):
                self._matrix_of(name, cool, sustained)
        return cool, sustained

    def _matrix_of(self, name: str, cool: dict[str, float], sustained: dict[str, float]) -> None:
        from .replay import Replay, capture

        best: tuple[float, float, Replay] | None = None
        for shape in _MATRIX_SHAPES[: self.effort.shapes]:
            flops = 2.0 * shape[0] * shape[1] * shape[2]
            try:
                replays = [capture(calls, 2e-3, self.stream) for calls in self._products(name, shape)]
            except RuntimeError as error:
                self.say(f"no {name} at {shape}: {str(error).splitlines()[0]}")
                continue
            for replay in replays:
                found = replay.seconds_per_call(self.effort.samples, _PAUSE_S, self.clock)
                if best is None or flops / found.call_s > best[0]:
                    best = (flops / found.call_s, flops, replay)
                if "cool" not in self.clocks:
                    self._note("cool", found.state())
        if best is None:
            return
        cool[name] = best[0]
        if self.effort.sustained_s:
            long = best[2].sustained_per_call(self.effort.sustained_s, self.clock)
            sustained[name] = best[1] / long.call_s
            self._note(f"sustained {name}", long.state())

    def _products(self, name: str, shape: tuple[int, int, int]) -> list[list[Call]]:
        """Ways to make the product x @ w.T of random data, each with as many operand sets as fill the cache twice."""
        m, n, k = shape
        set_bytes = _WIDTHS[name] * (m * k + n * k + m * n)
        sets = [_operands(name, m, n, k) for _ in range(max(1, -(-2 * self.device.cache_bytes // set_bytes)))]
        ways = [[_product(name, *operands) for operands in sets]]
        if name == "int8" and self.device.arch == "sm_90" and self.effort.ways > 1:  # it takes seconds to compile
            from .ceiling_kernels import int8_product

            ways.append([int8_product(*operands) for operands in sets])
        return ways

    def _special_per_s(self) -> float:
        """The rate of exp in float32, on registers: nothing is read, and one result is kept of some thousand."""
        import torch

        from . import ceiling_kernels as kernels

        out = torch.empty(self.device.cores * 64 * 1024, device="cuda")
        call, count = kernels.exps(out, rounds=64)
        return count / self._call_s([call])

    def _launches(self) -> dict[str, float]:
        """What a call costs that does next to nothing."""
        import torch

        from .replay import capture

        x, out = torch.rand(1, device="cuda"), torch.empty(1, device="cuda")
        call = partial(torch.neg, x, out=out)
        one = capture([call], 0.0, self.stream)
        node_s = min(self._call_s([least] * 1000) for least in (call, partial(out.fill_, 1.0)))
        host_s, burst_s = _burst_s(call, 5 * self.effort.samples)
        _, replay_s = _burst_s(one.graph.replay, 5 * self.effort.samples)

        def until_there() -> None:
            call()
            torch.cuda.synchronize()

        until_there()
        waits = []
        for _ in range(20 * self.effort.samples):
            started = time.perf_counter()
            until_there()
            waits.append(time.perf_counter() - started)
        return {
            "call_s": statistics.median(waits),
            "host_call_s": host_s,
            "launch_s": burst_s,
            "graph_launch_s": node_s,
            "graph_replay_s": replay_s,
        }


def _burst_s(call: Call, samples: int) -> tuple[float, float]:
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


def _copy_(view: Any) -> None:
    half = view.numel() // 2
    view[half:].copy_(view[:half])


def _operands(name: str, m: int, n: int, k: int) -> tuple[Any, Any, Any]:
    """Random x [m, k] and w [n, k], and room for the product [m, n]."""
    import torch

    if name == "int8":
        x, w = (torch.randint(-128, 128, (rows, k), dtype=torch.int8, device="cuda") for rows in (m, n))
        return x, w, torch.empty(m, n, dtype=torch.int32, device="cuda")
    dtype = {"tf32": torch.float32, "float8": torch.bfloat16}.get(name) or getattr(torch, name)
    x, w = (torch.randn(rows, k, device="cuda", dtype=dtype) for rows in (m, n))
    if name == "float8":
        x, w = x.to(torch.float8_e4m3fn), w.to(torch.float8_e4m3fn)
    return x, w, torch.empty(m, n, dtype=dtype, device="cuda")


def _product(name: str, x: Any, w: Any, out: Any) -> Call:
    import torch

    if name == "int8":
        return partial(torch._int_mm, x, w.t(), out=out)
    if name == "float8":
        one = torch.ones((), device="cuda")
        scales: dict[str, Any] = {"scale_a": one, "scale_b": one}
        return partial(torch._scaled_mm, x, w.t(), **scales, out_dtype=out.dtype, use_fast_accum=True, out=out)
    return partial(torch.mm, x, w.t(), out=out)


@contextmanager
def _matmul_precision(precision: str) -> Iterator[None]:
    """Let float32 products run in `precision` ("ieee" or "tf32"), and give the caller's setting back."""
    import torch

    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = precision
    try:
        yield
    finally:
        matmul.fp32_precision = before
