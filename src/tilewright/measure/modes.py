"""What a benchmark asks beside the time itself: calls whose data is in a cache, plain launches, and a GPU under load.

All of it is borne out by the parent's clock, and results are judged, as in any block. What the two clocks disagree on
is left out, and fails nobody: the time itself has been measured.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..candidate import CandidateError, Status
from ..child.outcome import TimedBlock
from ..child.session import Session
from ..device.clock_state import ClockState
from ..problem import Inputs
from .clock import UNSEEN, Inspect, Span, borne_out, exchange, refuse_in_sum, run_block
from .energy import EnergyMeter
from .gpu import GpuNotes
from .pace import draw_block, pace_of
from .stats import are_uneven, median_interval

_WARM_BLOCKS, _WARM_BLOCK_S = 5, 0.03
_EAGER_BLOCKS, _EAGER_BLOCK_S = 3, 0.015
_LOAD_S = 1.4  # the clock settles under the power limit in the first half
_PATIENCE = 10  # times that long


def launched(
    session: Session, inputs: Sequence[Inputs], block: TimedBlock, call_s: float, inspect: Inspect | None
) -> dict[str, Any]:
    """Return fields of a Measurement, those of `under_load` and `eagerly`; none on a CPU. `block` was timed last, at
    `call_s` a call. Before a profiler is started, which makes launches slower."""
    found: dict[str, Any] = {}
    if session.child.gpu is not None:
        with unless_disturbed():
            found |= under_load(session, inputs, block, call_s, inspect)
        with unless_disturbed():
            found |= eagerly(session, inputs, block, call_s, inspect)
    return found


@contextmanager
def unless_disturbed() -> Iterator[None]:
    """Leave out what the parent's clock does not bear out."""
    try:
        yield
    except CandidateError as refused:
        if refused.status is not Status.TIMING_INCONSISTENT:
            raise


def under_load(
    session: Session, inputs: Sequence[Inputs], block: TimedBlock, call_s: float, inspect: Inspect | None
) -> dict[str, Any]:
    """The median time of a call under continuous load, after the clock has settled, and the energy of a call then. The
    same graph on contents that have changed places: it may not be faster than any load explains, which would be work
    left out."""
    assert session.child.gpu is not None
    replays = max(2, round(_LOAD_S / (call_s * len(block.slots))))
    moved = [*inputs[1:], *inputs[:1]]
    state = ClockState(session.child.gpu)
    with EnergyMeter(lambda: state.energy_j) as meter:
        load = borne_out(
            session, lambda _: session.rerun(moved, replays, patience_s=_PATIENCE * _LOAD_S), tries=1, rest=False
        )
    if inspect is not None:
        inspect((load.last_slot + 1) % len(inputs), load.outcome)
    settled = load.calls_s[len(load.calls_s) // 2 :]
    if UNSEEN * statistics.median(settled) < call_s:
        raise CandidateError(Status.TIMING_INCONSISTENT, "calls under load take less than half the time of a call")
    watts = meter.watts(load.claimed_s / 2, load.claimed_s)
    energy_j = None if watts is None else watts * statistics.fmean(settled)
    return {"sustained_s": statistics.median(settled), "energy_j": energy_j}


def eagerly(
    session: Session, inputs: Sequence[Inputs], block: TimedBlock, call_s: float, inspect: Inspect | None
) -> dict[str, Any]:
    """The time of a call where calls are plain launches, back to back, over rotated inputs. Each block begins on
    contents that have just changed places: who keeps results has to compute in its first burst only."""
    bursts = max(1, round(_EAGER_BLOCK_S / (len(block.slots) * max(call_s, block.host_s))))
    samples: list[float] = []
    firsts: list[float] = []
    moved = 0

    def once(_: int) -> TimedBlock:
        nonlocal moved
        moved += 1
        return session.rerun([inputs[(s + moved) % len(inputs)] for s in range(len(inputs))], bursts, eager=True)

    for _ in range(_EAGER_BLOCKS):
        timed = borne_out(session, once)
        samples += timed.calls_s
        firsts.append(timed.calls_s[0])
        if inspect is not None:
            inspect((timed.last_slot + moved) % len(inputs), timed.outcome)
    median, low, high = median_interval(samples)
    if min(firsts) > UNSEEN * median:
        raise CandidateError(
            Status.REWARD_HACK,
            f"calls on inputs that have changed take {min(firsts) / median:.1f} times as long: it keeps results "
            "instead of computing them",
        )
    return {"eager_s": median, "eager_ci_s": (low, high)}


def warmly(
    session: Session,
    inputs: Sequence[Inputs],
    call_s: float,
    notes: GpuNotes,
    draw: random.Random,
    inspect: Inspect | None,
) -> dict[str, Any]:
    """The time of a call where inputs and outputs are in a cache: calls take turns on `inputs`, which fit in one."""
    blocks: list[Sequence[float]] = []
    spans: list[Span] = []
    length_s = min(_WARM_BLOCK_S, pace_of(session).search.block_s)
    planned = draw_block(draw, session, call_s / 2, length_s, len(inputs))  # they may be faster
    for turn in range(_WARM_BLOCKS):
        if turn == 0 or session.child.gpu is None:
            block = run_block(session, inputs, planned, warm=len(inputs), fresh_outputs=False)
        else:
            block = borne_out(session, lambda attempt: session.rerun(inputs, planned.replays << min(attempt, 2)))
        blocks.append(block.calls_s)
        spans.append((block.claimed_s, block.parent_s))
        if inspect is not None:
            inspect(block.last_slot, block.outcome)
    refuse_in_sum(session, spans)
    notes.refuse_kept_results(len(block.slots))
    if inspect is not None:
        exchange(session, inputs, block, inspect)
    calls_s = [statistics.fmean(calls) for calls in blocks] if are_uneven(blocks) else [s for b in blocks for s in b]
    median, low, high = median_interval(calls_s)
    return {"warm_s": median, "warm_ci_s": (low, high)}
