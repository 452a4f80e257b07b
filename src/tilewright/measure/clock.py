"""Time one candidate: blocks of calls stamped in the child, each block cross-checked by the parent's own clock.

Calls rotate over several inputs at their own addresses, so that no call finds its data where the one before left it.
The length of every block and the order of its inputs are drawn at random, and the result of its last call goes to
`inspect`, so that a candidate cannot know which of its timed calls will be compared. A block in which the parent's
clock saw more time pass than the child claims, by 2 % and 2 ms or more, is made again, and then refused.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..candidate import CandidateError, Status
from ..child.session import Outcome, Session, TimedBlock
from ..problem import Inputs
from .nouns import Measurement
from .stats import halves_agree, median_interval

METHOD = "child monotonic clock per call, rotated inputs, freed memory kept, parent wall clock per block"
_TOLERANCE = 0.02
_LATENCY_S = 0.002  # a message between processes, a descheduled parent
# The medians of the halves of a run may differ by this much, else it goes on for as long again, and then is refused.
DRIFT = 0.25
_COOL_S = 0.005  # before each block: threads of an idle child have gone to sleep
_LONGEST_BLOCK = 2000

Inspect = Callable[[int, Outcome], None]


@dataclass(frozen=True)
class Effort:
    """How hard to try: seconds at most, calls at least, the wanted half width of the interval, seconds per block."""

    budget_s: float = 0.4
    calls: int = 12
    precision: float = 0.01
    block_s: float = 0.06


SEARCH = Effort()
THOROUGH = Effort(budget_s=3.0, calls=40, precision=0.005, block_s=0.12)


def measure(
    session: Session,
    inputs: Sequence[Inputs],
    *,
    cold: bool,
    effort: Effort = SEARCH,
    stop_above_s: float | None = None,
    inspect: Inspect | None = None,
    seed: int | None = None,
) -> Measurement:
    """Return the time per call. `inspect(slot, outcome)` is given results of timed calls and raises CandidateError if
    one is wrong. A candidate whose first block lies wholly above `stop_above_s` is given up (`stopped`)."""
    draw = random.Random(seed)
    samples: list[float] = []
    parent_s = claimed_s = 0.0
    blocks, stopped = 0, False
    estimate_s = estimate(session, inputs)
    deadline = time.perf_counter() + effort.budget_s
    while True:
        block = run_block(session, inputs, draw_schedule(draw, estimate_s, effort.block_s, len(inputs)))
        blocks += 1
        samples += block.calls_s
        parent_s, claimed_s = parent_s + block.parent_s, claimed_s + block.claimed_s
        if inspect is not None:
            inspect(block.last_slot, block.outcome)
        if stop_above_s is not None and min(samples) > stop_above_s:
            stopped = True
            break
        median, low, high = median_interval(samples)
        precise = (high - low) / 2 <= effort.precision * median and halves_agree(samples, 0.1)
        enough = len(samples) >= effort.calls and blocks >= 2
        late_s = time.perf_counter() - deadline
        settled = precise or (late_s > 0 and halves_agree(samples, DRIFT)) or late_s > effort.budget_s
        if blocks >= 2 and settled and (enough or late_s > 0):
            break
        estimate_s = max(median, 1e-7)
    median, low, high = median_interval(samples)
    return Measurement(
        median_s=median,
        ci_low_s=low,
        ci_high_s=high,
        samples_s=tuple(samples),
        blocks=blocks,
        method=METHOD,
        state="cold" if cold else "warm",
        parent_ratio=parent_s / claimed_s if claimed_s else 1.0,
        stopped=stopped,
        stable=stopped or halves_agree(samples, DRIFT),
    )


def novelty(session: Session, inputs: Sequence[Inputs], fresh: Callable[[int], Inputs], trials: int = 4) -> float:
    """Return how many times longer a call takes on content that the candidate has never seen: the least over `trials`
    of the time on `fresh(trial)`, placed where known content lay, over the median time on known content.

    About 1 for a kernel. One that keeps results and looks them up by address, shape or a few elements has to compute
    here. The least is taken because a single call may be slow for many reasons, and fast for one.
    """
    seen = list(range(1, len(inputs)))
    known = run_block(session, inputs, seen * max(1, 8 // len(seen)), warm=len(inputs)).calls_s
    times_s = []
    for trial in range(trials):
        slots = [fresh(trial), *inputs[1:]]
        times_s.append(run_block(session, slots, [*seen, 0], warm=0, tries=1).calls_s[-1])
    return min(times_s) / statistics.median(known)


def estimate(session: Session, inputs: Sequence[Inputs]) -> float:
    """A first guess at the seconds per call, from three calls after a warm-up on every input."""
    return max(min(run_block(session, inputs, [0] * 3, warm=len(inputs)).calls_s), 1e-7)


def draw_schedule(draw: random.Random, call_s: float, block_s: float, slots: int) -> list[int]:
    """A block of about `block_s` seconds: its length drawn between one and one and a half times that, every call on
    another slot than the one before."""
    least = max(2, min(_LONGEST_BLOCK, round(block_s / call_s)))
    length = draw.randint(least, least + least // 2 + 1)
    start = draw.randrange(slots)
    step = draw.choice([s for s in range(1, slots + 1) if _coprime(s, slots)])
    return [(start + i * step) % slots for i in range(length)]


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


def run_block(
    session: Session, inputs: Sequence[Inputs], schedule: Sequence[int], *, warm: int = 1, tries: int = 5
) -> TimedBlock:
    """Time one block; where the parent's clock saw more time pass than the child claims, try again, and refuse after
    `tries`. A parent that was descheduled sees less, which gives nobody an advantage."""
    for _ in range(tries):
        time.sleep(_COOL_S)
        block = session.time(inputs, schedule, warm=warm)
        if block.parent_s - block.claimed_s <= _TOLERANCE * block.claimed_s + _LATENCY_S and block.inside:
            return block
    raise CandidateError(
        Status.TIMING_INCONSISTENT,
        f"the child claims {block.claimed_s * 1e3:.3f} ms for a block that took {block.parent_s * 1e3:.3f} ms",
    )
