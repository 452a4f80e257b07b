"""Measure the ceilings of a GPU: memory by size, direction and warmth, matrix products, exp, atomics, links, launches.

Everything is timed by replaying CUDA graphs (replay.py). "Cold" means that the buffers of successive calls are rotated
through three times the L2 cache, so that each call finds its inputs in memory and pushes older outputs out. "Cool"
means a pause before each sample: back to back, matrix products meet the power limit within 50 ms and the clock falls.

What cannot be measured on a GPU is named in `Profile.missing` with the reason, and the others are measured all the
same; only without memory rates, exp and launches there is no profile.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .clock_state import ClockSample, ClockState
from .links_cuda import burst_s, link_rate, links_of
from .nouns import Curve, Device, DeviceUnavailable, Profile
from .products_cuda import WIDTHS, matmul_precision, operands, product

if TYPE_CHECKING:
    from .replay import Replay, Timed

Progress = Callable[[str], None]
Call = Callable[[], object]
T = TypeVar("T")

_SMALLEST_BYTES, _LARGEST_BYTES = 256 << 10, 2 << 30
_ROTATED_CACHES = 3
_PAUSE_S = 0.025
# M, N, K; large ones, one of them with a long sum, where the rate of some libraries is highest, and smaller ones.
_MATRIX_SHAPES = (
    (8192, 8192, 8192), (4096, 4096, 4096), (4096, 7168, 16384), (2048, 2048, 2048), (1024, 1024, 1024)
)  # fmt: skip


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


_THOROUGH, _QUICK = _Effort(1, 4, 5, 5, 2e-3, 1.0), _Effort(3, 1, 1, 3, 1e-3, 0.0)


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
        self.spread: dict[str, float] = {}
        self.missing: dict[str, str] = {}
        self.matrix_sizes: dict[str, tuple[tuple[int, int, int, float], ...]] = {}

    def profile(self) -> Profile:
        found: dict[str, Any] = {"load": round(self.clock.busy or 0.0, 2)}
        self._note("idle", self.clock.sample())
        self.say("memory, by size")
        found |= self._memory()
        self.say("special functions and launches")
        found |= self._launches() | {"special_per_s": self._special_per_s(), "power_limit_w": self.clock.power_limit_w}
        if self.effort.sustained_s:
            self.say("atomics and links")
            found |= {"atomics": self._atomics(), "links": self._links()}
        found["matrix"], found["matrix_sustained"] = self._matrix()  # last: it heats the GPU
        found |= {"clocks": self.clocks, "spread": self.spread, "missing": self.missing}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return Profile(
            **found, matrix_sizes=self.matrix_sizes, fingerprint=self.device.fingerprint, created=now
        )  # fmt: skip

    def _try(self, name: str, measure: Callable[[], T]) -> T | None:
        """What `measure` returns; None, with the reason kept under `name`, where it fails."""
        try:
            return measure()
        except Exception as error:  # noqa: BLE001 - compilers, libraries and drivers each have their own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            self.missing[name] = reason
            self.say(f"no {name}: {reason}")
            return None

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
            taken = [self._best_rate(kind, n, ways, pool, -(-beyond // n)) for n in sizes]
            cold = [(n, size_rate) for n, (size_rate, _) in zip(sizes, taken)]
            warm = [(n, self._best_rate(kind, n, ways, pool, 1)[0] if n < beyond else rate) for n, rate in cold]
            found |= {f"cold_{kind}": tuple(cold), kind: tuple(warm)}
            self.spread[kind] = round(statistics.median(spread for _, spread in taken), 4)
        return found

    def _sizes(self) -> list[int]:
        """Powers of two from 256 KiB to 2 GiB, or to a quarter of the memory that is free; the largest always."""
        import torch

        free_bytes, _ = torch.cuda.mem_get_info()
        sizes = [_SMALLEST_BYTES]
        while sizes[-1] < _LARGEST_BYTES and 2 * sizes[-1] <= free_bytes // 4:
            sizes.append(2 * sizes[-1])
        return sizes[:: -self.effort.every][::-1]

    def _best_rate(
        self, kind: str, size: int, ways: Callable[[Any], list[Call]], pool: Any, slots: int
    ) -> tuple[float, float]:
        """The best bytes/s over the ways to move `size` bytes, in turn in each of `slots` parts of `pool`, and how far
        its samples lie apart."""
        slots = max(1, min(slots, pool.numel() * 4 // size))
        views = [pool[i * size // 4 : (i + 1) * size // 4] for i in range(slots)]
        by_way = list(zip(*(ways(view) for view in views)))[: self.effort.ways]
        tried = [self._try(f"{kind}, way {i}", partial(self._timed, calls)) for i, calls in enumerate(by_way)]
        timed = [one for one in tried if one is not None]
        if not timed:
            raise DeviceUnavailable(f"no way to {kind} {size} bytes works on {self.device.name}: see {self.missing}")
        best = min(timed, key=lambda one: one.call_s)
        return size / best.call_s, best.spread

    def _timed(self, calls: Sequence[Call]) -> Timed:
        from .replay import capture

        return capture(calls, self.effort.replay_s, self.stream).seconds_per_call(self.effort.samples)

    def _call_s(self, calls: Sequence[Call]) -> float:
        return self._timed(calls).call_s

    def _matrix(self) -> tuple[dict[str, float], dict[str, float]]:
        """The best matrix rate of each dtype, cool, and the rate of the same shape back to back."""
        cool: dict[str, float] = {}
        sustained: dict[str, float] = {}
        for name in WIDTHS:
            self.say(f"matrix product, {name}")
            with matmul_precision("tf32" if name == "tf32" else "ieee"):
                self._matrix_of(name, cool, sustained)
        return cool, sustained

    def _matrix_of(self, name: str, cool: dict[str, float], sustained: dict[str, float]) -> None:
        best: tuple[float, float, Replay] | None = None
        spread, sizes = 0.0, []
        for shape in _MATRIX_SHAPES[: self.effort.shapes]:
            flops = 2.0 * shape[0] * shape[1] * shape[2]
            for found, replay in self._try(f"matrix {name} {shape}", partial(self._cool_products, name, shape)) or ():
                sizes.append((*shape, flops / found.call_s))
                if best is None or flops / found.call_s > best[0]:
                    best, spread = (flops / found.call_s, flops, replay), found.spread
                if "cool" not in self.clocks:
                    self._note("cool", found.state())
        if best is None:
            return
        cool[name], self.spread[f"matrix {name}"] = best[0], round(spread, 4)
        fastest = {size[:3]: size for size in sorted(sizes, key=lambda size: size[3])}
        self.matrix_sizes[name] = tuple(sorted(fastest.values(), key=lambda size: math.prod(size[:3])))
        hot = partial(best[2].sustained_per_call, self.effort.sustained_s, self.clock)
        if self.effort.sustained_s and (long := self._try(f"sustained {name}", hot)) is not None:
            sustained[name] = best[1] / long.call_s
            self._note(f"sustained {name}", long.state())

    def _cool_products(self, name: str, shape: tuple[int, int, int]) -> list[tuple[Timed, Replay]]:
        """The time of each way to make a product of `shape` that works, after pauses, and what replays it."""
        from .replay import capture

        def timed(calls: list[Call]) -> tuple[Timed, Replay]:
            replay = capture(calls, 2e-3, self.stream)
            return replay.seconds_per_call(self.effort.samples, _PAUSE_S, self.clock), replay

        ways = self._products(name, shape)
        tried = [self._try(f"matrix {name} {shape}, way {i}", partial(timed, way)) for i, way in enumerate(ways)]
        return [one for one in tried if one is not None]

    def _products(self, name: str, shape: tuple[int, int, int]) -> list[list[Call]]:
        """Ways to make the product x @ w.T of random data, each with as many operand sets as fill the cache twice."""
        m, n, k = shape
        set_bytes = WIDTHS[name] * (m * k + n * k + m * n)
        sets = [operands(name, m, n, k) for _ in range(max(1, -(-2 * self.device.cache_bytes // set_bytes)))]
        ways = [[product(name, *one) for one in sets]]
        if name == "int8" and self.device.arch == "sm_90" and self.effort.ways > 1:  # it takes seconds to compile
            from .ceiling_kernels import int8_product

            ways.append([int8_product(*one) for one in sets])
        return ways

    def _special_per_s(self) -> float:
        """The rate of exp in float32, on registers: nothing is read, and one result is kept of some thousand."""
        import torch

        from . import ceiling_kernels as kernels

        out = torch.empty(self.device.cores * 64 * 1024, device="cuda")
        call, count = kernels.exps(out, rounds=64)
        return count / self._call_s([call])

    def _atomics(self) -> dict[str, float]:
        """Additions per second to an element of each thread's own, in the cache, and to one element."""
        import torch

        from . import ceiling_kernels as kernels

        out = torch.zeros(self.device.cores * 8 * 1024, device="cuda")
        found = {}
        for name, rounds in (("distinct", 16), ("one address", 1)):
            call, count = kernels.atomics(out, rounds, shared=name == "one address")
            if (call_s := self._try(f"atomics {name}", partial(self._call_s, [call]))) is not None:
                found[name] = count / call_s
        return found

    def _links(self) -> dict[str, float]:
        """Rates of copies between this GPU, pinned memory of the host, and every other GPU."""
        ways = links_of(self.device.index)
        found = {n: self._try(f"link {n}", partial(link_rate, make, self.effort.samples)) for n, make in ways.items()}
        return {name: rate for name, rate in found.items() if rate is not None}

    def _launches(self) -> dict[str, float]:
        """What a call costs that does next to nothing."""
        import torch

        from .replay import capture

        x, out = torch.rand(1, device="cuda"), torch.empty(1, device="cuda")
        call = partial(torch.neg, x, out=out)
        one = capture([call], 0.0, self.stream)
        node_s = min(self._call_s([least] * 1000) for least in (call, partial(out.fill_, 1.0)))
        host_s, launch_s = burst_s(call, 5 * self.effort.samples)
        _, replay_s = burst_s(one.graph.replay, 5 * self.effort.samples)

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
            "launch_s": launch_s,
            "graph_launch_s": node_s,
            "graph_replay_s": replay_s,
        }


def _copy_(view: Any) -> None:
    half = view.numel() // 2
    view[half:].copy_(view[:half])
