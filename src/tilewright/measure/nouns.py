"""What the clock says."""

from __future__ import annotations

from typing import Literal

from ..schema import Noun

LEVEL_RATIO = 1.02  # "level with": the upper end of the interval of the paired time ratio is at most this


class Clocks(Noun):
    """A GPU's state beside the blocks of a measurement: its clock at the lowest and the highest, in hertz, the highest
    power in watts, and why its clock was held back ("power cap", ...)."""

    sm_low_hz: float
    sm_high_hz: float
    power_w: float | None = None
    throttle: tuple[str, ...] = ()


class Measurement(Noun):
    """The time of one call, in seconds: median with its 95 % interval, and every sample it was made from.

    `state` is "cold" when the inputs of consecutive calls are rotated over more than twice the last-level cache, else
    "warm". `parent_ratio` is the parent's clock over the child's claim, for all blocks together (1 when they agree).
    `stopped` marks a candidate given up early as hopeless; `stable` is False when the halves of the run disagree.

    On a GPU a sample is the mean over one run of a block of calls, in a CUDA graph where the candidate can be captured
    (`method` says so). `host_s` is what one call costs the host; `kernel_s` the time per call in which any kernel ran,
    by CUPTI, and `kernels` their names; `clocks` the state of the GPU. The median is of the cool state, with a pause
    before each block; `sustained_s` is the median time under continuous load, where it was asked for, and `energy_j`
    what the whole board uses per call meanwhile, in joules.

    Where they were asked for, beside it: `warm_s`, with its interval, is the time of calls whose inputs and outputs are
    in a cache, and `eager_s`, on a GPU, that of plain launches back to back, without a graph.
    """

    median_s: float
    ci_low_s: float
    ci_high_s: float
    samples_s: tuple[float, ...]
    blocks: int
    method: str
    state: Literal["cold", "warm"]
    parent_ratio: float = 1.0
    stopped: bool = False
    stable: bool = True
    host_s: float | None = None
    kernel_s: float | None = None
    kernels: tuple[str, ...] = ()
    clocks: Clocks | None = None
    sustained_s: float | None = None
    warm_s: float | None = None
    warm_ci_s: tuple[float, float] | None = None
    eager_s: float | None = None
    eager_ci_s: tuple[float, float] | None = None
    energy_j: float | None = None


class Comparison(Noun):
    """Paired timing of `name` against `baseline`: the median over rounds of time(name) / time(baseline), with its
    95 % interval; below 1 is faster."""

    name: str
    baseline: str
    ratio: float
    ci_low: float
    ci_high: float
    rounds: int

    @property
    def speedup(self) -> float:
        return 1.0 / self.ratio

    @property
    def faster(self) -> bool:
        return self.ci_high < 1.0

    @property
    def level_or_ahead(self) -> bool:
        return self.ci_high <= LEVEL_RATIO
