"""Time one candidate: blocks of calls timed in the child, each block cross-checked by the parent's own clock.

Calls rotate over several inputs at their own addresses, so that no call finds its data where the one before left it.
The length of every block and the order of its inputs are drawn at random, and the result of its last call goes to
`inspect`, so that a candidate cannot know which of its timed calls will be compared. A block in which the parent's
clock saw more time pass than the child claims (pace.py says how much more) is made again, and then refused.

On a GPU the block is captured in a CUDA graph and replayed, after a pause that lets the chip cool. At the end its
inputs are exchanged and the same graph runs once more: a candidate that does not compute in what is timed gives old
results.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from ..candidate import CandidateError, Status
from ..child.outcome import Outcome, TimedBlock
from ..child.session import Session
from ..problem import Inputs
from .gpu import GpuNotes
from .nouns import Measurement
from .pace import BURST, UNEVEN, Block, Effort, draw_block, pace_of
from .stats import are_uneven, halves_agree, median_interval

# The medians of the halves of a run may differ by this much, else it goes on for as long again, and then is refused.
DRIFT = 0.25
_HARDLY_DRIFTS = 0.1
_CALM = 0.75  # of the blocks
_WOKEN_LATE_S = 0.004  # once or twice in a measurement the child gets its processor a time slice late
_WITNESS_TRIES = 8
_BLOCK_TRIES = 5
_LONGER = 2  # times a refused block on a GPU is doubled: then it is still too short to reach the power limit
_PATIENCE_S, _MOST_TRIES = 2.0, 60  # what a busy machine disturbs is made again for this long, and this often
_COPIES = 3
_DESCRIBED_S = 1e-4  # what it takes to describe a result, in Python
_LONG_S = 0.002  # a single call of that length stands out
_INSPECTED = 0.15  # of the blocks, drawn at random, and the last: the result of the last call is judged
UNSEEN = 2.0  # times as long as known content may take what was just written: caches and pages are cold

Inspect = Callable[[int, Outcome], None]
Span = tuple[float, float]  # seconds of a block: as the child claims, and by the parent's clock


def measure(
    session: Session,
    inputs: Sequence[Inputs],
    *,
    cold: bool,
    effort: Effort | None = None,
    stop_above_s: float | None = None,
    inspect: Inspect | None = None,
    seed: int | None = None,
    thorough: bool = False,
) -> Measurement:
    """Return the time per call. `inspect(slot, outcome)` is given the results of the last timed calls of some blocks,
    drawn at random, and of the last block, and raises CandidateError if one is wrong. A candidate whose first block
    lies wholly above `stop_above_s` is given up (`stopped`). `thorough` inspects every block, and looks at the kernels
    of a GPU."""
    pace = pace_of(session)
    effort = effort or (pace.thorough if thorough else pace.search)
    draw = random.Random(seed)
    samples: list[float] = []
    blocks: list[Sequence[float]] = []
    spans: list[Span] = []
    stopped = False
    notes = GpuNotes(session)
    estimate_s = estimate(session, inputs)
    deadline = time.perf_counter() + effort.budget_s
    while True:
        planned = draw_block(draw, session, estimate_s, effort.block_s, len(inputs))
        block = run_block(session, inputs, planned)
        notes.add(block)
        samples += block.calls_s
        blocks.append(block.calls_s)
        spans.append((block.claimed_s, block.parent_s))
        stopped = stop_above_s is not None and min(samples) > stop_above_s
        over = stopped or _is_enough(samples, len(spans), effort, deadline)
        if inspect is not None and (over or thorough or draw.random() < _INSPECTED):
            inspect(block.last_slot, block.outcome)
        if over:
            break
        estimate_s = max(statistics.median(samples), 1e-7)
    refuse_in_sum(session, spans)
    uneven = are_uneven(blocks)
    samples = [statistics.fmean(calls) for calls in blocks] if uneven else samples
    median, low, high = median_interval(samples)
    if thorough and not stopped:
        notes.look_at_kernels(len(planned.schedule), median)
    if inspect is not None and not stopped:
        exchange(session, inputs, block, inspect)
    return Measurement(
        median_s=median,
        ci_low_s=low,
        ci_high_s=high,
        samples_s=tuple(samples),
        blocks=len(spans),
        method=(pace.method if block.mode != "burst" else BURST) + UNEVEN * uneven,
        state="cold" if cold else "warm",
        parent_ratio=parent_ratio(spans),
        stopped=stopped,
        stable=stopped or halves_agree(samples, DRIFT),
        **notes.fields(),
    )


def _is_enough(samples: list[float], blocks: int, effort: Effort, deadline: float) -> bool:
    """Whether the median is known as well as wanted, or as well as there is time for."""
    median, low, high = median_interval(samples)
    precise = (high - low) / 2 <= effort.precision * median and halves_agree(samples, _HARDLY_DRIFTS)
    late_s = time.perf_counter() - deadline
    settled = precise or (late_s > 0 and halves_agree(samples, DRIFT)) or late_s > effort.budget_s
    return blocks >= 2 and settled and (len(samples) >= effort.calls or late_s > 0)


def refuse_in_sum(session: Session, spans: Sequence[Span]) -> None:
    """Refuse what each of the blocks could hide, in all of them: noise adds up less than a lie does. The quarter in
    which the two clocks disagree most is left out: a busy machine disturbs
    some blocks, and who lies in few of them does not move the median. On a GPU a block is mostly launches, which nobody
    has claimed, so that each is judged on its own."""
    if session.child.gpu is not None:
        return
    calm = sorted(spans, key=lambda span: span[1] - span[0])[: max(1, round(len(spans) * _CALM))]
    claimed_s, parent_s = sum(c for c, _ in calm), sum(p for _, p in calm)
    each_s = 3 * session.child.latency_s + session.child.wake_s
    allowed_s = (1 + pace_of(session).tolerance) * claimed_s + len(calm) * each_s + _WOKEN_LATE_S
    if parent_s > allowed_s:
        raise CandidateError(
            Status.TIMING_INCONSISTENT,
            f"the child claims {claimed_s * 1e3:.3f} ms for {len(calm)} blocks that took {parent_s * 1e3:.3f} ms",
        )


def parent_ratio(spans: Sequence[Span]) -> float:
    return sum(p for _, p in spans) / sum(c for c, _ in spans)


def exchange(session: Session, inputs: Sequence[Inputs], block: TimedBlock, inspect: Inspect) -> None:
    """On a GPU: move every slot's content to the slot before, run the last block again as it is, and inspect."""
    if session.child.gpu is None or len(inputs) < 2:
        return
    moved = [inputs[(slot + 1) % len(inputs)] for slot in range(len(inputs))]
    outcome, _ = session.again(moved)
    inspect((block.last_slot + 1) % len(inputs), outcome)


def novelty(
    session: Session, inputs: Sequence[Inputs], fresh: Callable[[int], Inputs], trials: int = 4
) -> tuple[float, float]:
    """Return the least seconds of a call on content that the candidate has never seen, over `trials` of
    `fresh(trial)`, placed where known content lay, and the least on known content that was put back there.

    The same for a kernel, as both were written just before, and are in nobody's cache. One that keeps results and looks
    them up by address, shape or a few elements has to compute on what is fresh. Every trial has another address with
    its content: a processor learns one by heart. The least is taken because a single call may be slow for many
    reasons, and fast for one.
    """
    if session.child.gpu is not None:
        return _novelty_of_replays(session, inputs, fresh, trials)
    run_block(session, inputs, Block([0]), warm=len(inputs))
    pairs: list[tuple[float, float]] = []
    refusals = 0
    while len(pairs) < trials:
        content = fresh(len(pairs) + refusals)  # what was seen in a refused block is no news
        slot = 1 + (len(pairs) + refusals) % max(1, len(inputs) - 2)  # the first and the last may share their content
        try:
            fresh_s = _first_call_s(session, inputs, slot, content)
            pairs.append((fresh_s, _first_call_s(session, inputs, slot, inputs[slot])))
        except CandidateError as refused:
            refusals += 1
            if refused.status is not Status.TIMING_INCONSISTENT or refusals > 3 * trials:
                raise
    return min(f for f, _ in pairs), min(k for _, k in pairs)


def _first_call_s(session: Session, inputs: Sequence[Inputs], slot: int, content: Inputs) -> float:
    """Seconds of the first call on `content`, at `slot`, after calls on all others."""
    block = Block([*(s for s in range(len(inputs)) if s != slot), slot])
    with_it = [content if s == slot else one for s, one in enumerate(inputs)]
    return run_block(session, with_it, block, warm=0, tries=1).calls_s[-1]


def witness(
    session: Session,
    inputs: Sequence[Inputs],
    fresh: Callable[[int], Inputs],
    more: Callable[[], Inputs],
    judge: Callable[[int, Outcome], None],
    call_s: float,
) -> None:
    """Refuse a candidate that cannot give the right results of unseen inputs in about the `call_s` that it claims.

    Only the parent's clock counts here. Contents that the candidate has never seen are written after it said that it
    was ready; the clock runs from the word to go until the results lie in the parent's memory. Whatever a candidate
    does to the program around it, the work cannot have been done before, or be done afterwards, or be left out. The
    result of `fresh(trial)` goes to `judge`, in the trial that counts.

    First a single call. Where one is too short to be seen beside a message between processes, then also a block of
    them, whose other contents are from `more`, and all of whose results are handed over; at what place of the block
    the judged one stands is drawn at random. Where there is no room for all, only the last is handed over, and judged.
    One trial of each is enough; there are several, as a machine may be busy. Not for a GPU.
    """
    if session.child.gpu is not None:
        return
    trial = _bear_out(session, inputs, fresh, more, judge, call_s, calls=1, trial=0)
    if call_s <= _LONG_S:
        _bear_out(session, inputs, fresh, more, judge, call_s, calls=len(inputs), trial=trial)


def _bear_out(
    session: Session,
    inputs: Sequence[Inputs],
    fresh: Callable[[int], Inputs],
    more: Callable[[], Inputs],
    judge: Callable[[int, Outcome], None],
    call_s: float,
    *,
    calls: int,
    trial: int,
) -> int:
    """Return the number of the next trial."""
    least_s = float("inf")
    secret, keeps = random.SystemRandom(), session.keeps(inputs, calls)
    for number in _attempts(trial, _WITNESS_TRIES):
        session.rest(pace_of(session).cool_s)
        schedule = secret.sample(range(calls), calls)
        kept = secret.randrange(calls) if keeps else None
        judged = schedule[-1 if kept is None else kept]
        late = {slot: fresh(number) if slot == judged else more() for slot in range(calls)}
        timed = session.time(inputs, schedule, warm=len(inputs), late=late, kept=kept)
        each_s = _copy_s(timed.outcome) + len(timed.outcome.outputs) * session.hand_over_s
        handed_over_s = UNSEEN * (calls if keeps else 1) * each_s + (0.0 if keeps else _DESCRIBED_S)
        allowed_s = pace_of(session).may_take_s(UNSEEN * calls * call_s, timed.latency_s) + handed_over_s
        if timed.answered_s <= allowed_s:
            judge(number, timed.outcome)
            return number + 1
        least_s = min(least_s, (timed.answered_s - timed.latency_s - handed_over_s) / calls)
    raise CandidateError(
        Status.TIMING_INCONSISTENT,
        f"the right result of an input never seen before takes at least {least_s * 1e3:.3f} ms, where "
        f"{call_s * 1e3:.3f} ms are claimed",
    )


def _attempts(first: int, least: int) -> Iterator[int]:
    """Count from `first`: `least` attempts at the least, then more as long as patience lasts. Only an honest candidate
    on a busy machine gains by another one."""
    end = time.perf_counter() + _PATIENCE_S
    for attempt in range(_MOST_TRIES):
        if attempt >= least and time.perf_counter() > end:
            return
        yield first + attempt


def _copy_s(outcome: Outcome) -> float:
    """What it takes this process to copy the outputs to memory that is there already, as the child hands them over:
    the least of some trials, as whatever a busy machine adds here would be allowed to the child."""
    sources = [o for o in outcome.outputs if o.numel()]
    targets = [o.clone() for o in sources]
    least_s = float("inf")
    for _ in range(_COPIES):
        begun = time.perf_counter()
        for target, source in zip(targets, sources, strict=True):
            target.copy_(source)
        least_s = min(least_s, time.perf_counter() - begun)
    return least_s


def _novelty_of_replays(
    session: Session, inputs: Sequence[Inputs], fresh: Callable[[int], Inputs], trials: int
) -> tuple[float, float]:
    """As `novelty`, for all slots at once: the same captured work, on contents that it knows and on new ones."""
    known = run_block(session, inputs, Block(list(range(len(inputs))), 8)).calls_s
    times_s = [session.again([fresh(trial)] * len(inputs))[1] for trial in range(trials)]
    return min(times_s), min(known)


def estimate(session: Session, inputs: Sequence[Inputs]) -> float:
    """A first guess at the seconds per call, from three calls after a warm-up on every input."""
    return max(min(run_block(session, inputs, Block([0] * 3), warm=len(inputs)).calls_s), 1e-7)


def run_block(
    session: Session,
    inputs: Sequence[Inputs],
    block: Block,
    *,
    warm: int = 1,
    tries: int = _BLOCK_TRIES,
    rest: bool = True,
    fresh_outputs: bool = True,
) -> TimedBlock:
    """Time one block, as `borne_out` has it. On a GPU a refused one is made longer: what it takes to start and end a
    block stays the same, a lie grows with it. `fresh_outputs` as in `Session.time`."""

    def once(attempt: int) -> TimedBlock:
        replays = block.replays << min(attempt, _LONGER)
        return session.time(inputs, block.schedule, warm=warm, replays=replays, fresh_outputs=fresh_outputs)

    return borne_out(session, once, tries, rest)


def borne_out(
    session: Session, once: Callable[[int], TimedBlock], tries: int = _BLOCK_TRIES, rest: bool = True
) -> TimedBlock:
    """The block that `once(attempt)` times. Where the parent's clock saw more time pass than the child claims, try
    again, at least `tries` times in all, and then refuse. A parent that was descheduled sees less, which gives nobody
    an advantage."""
    pace = pace_of(session)
    for attempt in range(1) if tries == 1 else _attempts(0, tries):
        if rest:
            session.rest(pace.cool_s)
        timed = once(attempt)
        if timed.parent_s <= pace.may_take_s(timed.claimed_s, timed.latency_s) and timed.inside:
            return timed
    raise CandidateError(
        Status.TIMING_INCONSISTENT,
        f"the child claims {timed.claimed_s * 1e3:.3f} ms for a block that took {timed.parent_s * 1e3:.3f} ms",
    )
