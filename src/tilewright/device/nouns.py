"""Device, its datasheet Peaks and its measured Profile."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from ..schema import Noun
from .clock_state import ClockSample

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Curve = tuple[tuple[Annotated[int, Field(gt=0)], PositiveFloat], ...]
"""A measured rate by size: ((bytes, bytes_per_s), ...), sorted by size."""

BUSY_LOAD = 0.5  # other runnable processes, or the GPU's share of use, above which ceilings may be too low


class DeviceUnavailable(Exception):  # noqa: N818  (a state of the machine, not a fault)
    """This machine does not have the device that was asked for; the message says what is missing."""


class Peaks(Noun):
    """Datasheet limits of one product; `match` is a regular expression over the name that the driver reports.

    `flops` gives dense rates by dtype at `clock_hz` ("tf32" and "float8" are kept as their own names); `max_clock_hz`
    is the highest clock the part may boost to, and `units` counts its multiprocessors or compute units.
    """

    name: str
    match: str
    bytes_per_s: PositiveFloat
    flops: dict[str, PositiveFloat]
    cache_bytes: int
    units: int = 0
    clock_hz: PositiveFloat | None = None
    max_clock_hz: PositiveFloat | None = None
    source: str


with warnings.catch_warnings():
    # pydantic warns that `copy` hides its own, long deprecated, method of that name.
    warnings.filterwarnings("ignore", message='Field name "copy"')

    class Profile(Noun):
        """Ceilings measured on one machine. Curves are indexed by the bytes that one call moves, reads and writes
        together, in buffers that were touched before. `fresh_write` is different: it fills memory that was allocated
        for the call, as a function that returns a new tensor does, so that page faults are part of it.

        `matrix` is the best rate of a matrix product by input dtype (flop/s, two per multiply-add); `call_s` the time
        of one call of a one-element operation; `special_per_s` the rate of exp in float32; `load` the number of other
        runnable processes while it was measured: well above zero means that the ceilings may be too low, as may a
        `quick` profile.

        On a GPU the three curves hold for one buffer that is used again and again, which the cache may keep; the
        `cold_` ones for buffers rotated beyond it, as the rows of a benchmark are. `matrix` is then measured cool,
        after a pause, and `matrix_sustained` back to back for a second, where the power limit may pull the clock
        down; `clocks` tells the state of the clock "idle", "cool", and "sustained DTYPE" for each dtype. "tf32" is
        float32 data with products in that format, "float8" is e4m3 with fast accumulation.

        Times of one empty call, in seconds: `call_s` until its result is there; `host_call_s` until the host may go
        on; `launch_s` per call of an eager burst; `graph_launch_s` per node inside a CUDA graph, the floor of any
        kernel; `graph_replay_s` per replay of a graph of one node. `load` is the share of the second before in which
        some process used the GPU.

        `matrix_sizes` holds the rate (flop/s) of every shape (M, N, K) that was tried, by dtype. `atomics` are float32
        additions per second, "distinct" to an address of each thread's own and "one address" to the same; `links` are
        rates of copies (bytes/s) between this GPU and "host to device", "device to host" or "peer cuda:1". `spread` is
        by how much two takes of the same ceiling differed, relative to it, by the ceiling's name; `missing` says why a
        ceiling could not be measured.
        """

        copy: Curve  # type: ignore[assignment]
        read: Curve
        write: Curve
        fresh_write: Curve = ()
        matrix: dict[str, PositiveFloat]
        call_s: PositiveFloat
        special_per_s: PositiveFloat
        fingerprint: dict[str, JsonValue]
        created: str
        seconds: float = 0.0
        load: float = 0.0
        quick: bool = False
        cold_copy: Curve = ()
        cold_read: Curve = ()
        cold_write: Curve = ()
        matrix_sustained: dict[str, PositiveFloat] = {}
        host_call_s: PositiveFloat | None = None
        launch_s: PositiveFloat | None = None
        graph_launch_s: PositiveFloat | None = None
        graph_replay_s: PositiveFloat | None = None
        clocks: dict[str, ClockSample] = {}
        power_limit_w: PositiveFloat | None = None
        matrix_sizes: dict[str, tuple[tuple[int, int, int, PositiveFloat], ...]] = {}
        atomics: dict[str, PositiveFloat] = {}
        links: dict[str, PositiveFloat] = {}
        spread: dict[str, float] = {}
        missing: dict[str, str] = {}


class Device(Noun):
    """A CPU as this process may use it, or one GPU. `cores` are the CPU cores granted to this process, or a GPU's
    multiprocessors; `cache_bytes` is the last-level cache within their reach; `memory_bytes` what may be allocated.
    `index` is the number that CUDA gives the GPU in this process; the fingerprint, and so the profile, is the same
    for all GPUs of a kind."""

    kind: Literal["cpu", "cuda"]
    name: str
    arch: str
    cores: int
    cache_bytes: int
    memory_bytes: int
    features: tuple[str, ...] = ()
    max_clock_hz: float | None = None
    index: int = 0
    fingerprint: dict[str, JsonValue] = {}
    peaks: Peaks | None = None
    profile: Profile | None = None


def rate_at(curve: Sequence[tuple[int, float]], size_bytes: float) -> float:
    """Return the rate of `curve` at `size_bytes`, linear in log(size) and log(rate), constant beyond the ends."""
    if not curve:
        raise ValueError("an empty curve has no rate")
    if size_bytes <= curve[0][0]:
        return curve[0][1]
    for (low, low_rate), (high, high_rate) in pairwise(curve):
        if size_bytes <= high:
            at = math.log(size_bytes / low) / math.log(high / low)
            return math.exp((1 - at) * math.log(low_rate) + at * math.log(high_rate))
    return curve[-1][1]
