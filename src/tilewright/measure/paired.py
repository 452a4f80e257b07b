"""Compare candidates by paired, interleaved rounds, each candidate in a process of its own.

In every round each candidate runs one block, in an order drawn anew, so that drift of the machine falls on all alike;
the ratio of two candidates is taken within a round, and the interval over rounds.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..candidate import CandidateError
from ..child.outcome import TimedBlock
from ..child.session import Session
from ..problem import Inputs
from .clock import DRIFT, Inspect, Span, estimate, exchange, parent_ratio, refuse_in_sum, run_block
from .gpu import GpuNotes
from .modes import launched, unless_disturbed, warmly
from .nouns import Comparison, Measurement
from .pace import BURST, UNEVEN, draw_block, pace_of
from .stats import are_uneven, halves_agree, median_interval, ratio_interval, typical

_FEWEST_ROUNDS = 8
_MOST_ROUNDS = 200
_INSPECTED_SHARE = 0.25  # of blocks, whose last result is judged


@dataclass
class _Track:
    session: Session
    estimate_s: float
    notes: GpuNotes
    block: TimedBlock | None = None
    samples: list[float] = field(default_factory=list)
    blocks: list[Sequence[float]] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


def compare(
    sessions: Mapping[str, Session],
    inputs: Sequence[Inputs],
    *,
    cold: bool,
    budget_s: float = 6.0,
    block_s: float | None = None,
    precision: float = 0.005,
    inspect: Inspect | None = None,
    seed: int | None = None,
    thorough: bool = False,
    warm_slots: int = 0,
) -> tuple[dict[str, Measurement], list[Comparison], dict[str, CandidateError]]:
    """Return the measurement of every session, the comparison of every ordered pair of them, and the failures of those
    that fell out on the way: crashed, gave a result that `inspect` refused, or lied about their time.

    `thorough`: also time each where its data is in a cache, for `warm_slots` inputs that fit in one; on a GPU also look
    at the kernels that ran, and time each as plain launches and under continuous load.
    Ends when all ratios to the fastest are known within `precision`, or when `budget_s` is used up (at least 8 rounds).
    """
    draw = random.Random(seed)
    tracks: dict[str, _Track] = {}
    failures: dict[str, CandidateError] = {}
    for name, session in sessions.items():
        with _noting(failures, name):
            tracks[name] = _Track(session, estimate(session, inputs), GpuNotes(session))
    deadline = time.perf_counter() + budget_s
    for round_ in range(_MOST_ROUNDS):
        for name in draw.sample(list(tracks), len(tracks)):
            with _noting(failures, name):
                _one_block(inputs, tracks[name], draw, block_s, inspect)
        tracks = {name: track for name, track in tracks.items() if name not in failures}
        if round_ + 1 >= _FEWEST_ROUNDS and (time.perf_counter() > deadline or _decided(tracks, precision)):
            break
    modes: dict[str, dict[str, Any]] = {}
    for name, track in tracks.items():
        with _noting(failures, name):
            modes[name] = _last_look(inputs, track, inspect, thorough)
    tracks = {name: track for name, track in tracks.items() if name not in failures}
    if thorough:
        _start_profilers(list(tracks.values()))
        for name, track in tracks.items():
            with _noting(failures, name):
                modes[name] |= _profiled(inputs[:warm_slots], track, draw, inspect)
    tracks = {name: track for name, track in tracks.items() if name not in failures}
    measurements = {name: _measurement(track, cold, modes[name]) for name, track in tracks.items()}
    comparisons = [_comparison(tracks, a, b) for a in tracks for b in tracks if a != b]
    return measurements, comparisons, failures


@contextlib.contextmanager
def _noting(failures: dict[str, CandidateError], name: str) -> Iterator[None]:
    try:
        yield
    except CandidateError as failure:
        failures[name] = failure


def _one_block(
    inputs: Sequence[Inputs], track: _Track, draw: random.Random, block_s: float | None, inspect: Inspect | None
) -> None:
    length_s = block_s or pace_of(track.session).search.block_s
    planned = draw_block(draw, track.session, track.estimate_s, length_s, len(inputs))
    block = track.block = run_block(track.session, inputs, planned)
    track.notes.add(block)
    track.samples += block.calls_s
    track.blocks.append(block.calls_s)
    track.medians.append(typical(block.calls_s))
    track.spans.append((block.claimed_s, block.parent_s))
    track.estimate_s = max(statistics.median(track.medians), 1e-7)
    if inspect is not None and draw.random() < _INSPECTED_SHARE:
        inspect(block.last_slot, block.outcome)


def _start_profilers(tracks: Sequence[_Track]) -> None:
    """CUPTI takes seconds to start in a process; in all of them at once it takes as long as in one."""

    def start(track: _Track) -> None:
        if track.session.child.gpu is not None:
            with contextlib.suppress(CandidateError):  # which it says again when it is looked at
                track.session.kernels()

    with ThreadPoolExecutor(max_workers=max(1, len(tracks))) as pool:
        list(pool.map(start, tracks))


def _last_look(inputs: Sequence[Inputs], track: _Track, inspect: Inspect | None, thorough: bool) -> dict[str, Any]:
    """What `thorough` asks for before there is a profiler."""
    assert track.block is not None
    refuse_in_sum(track.session, track.spans)
    if inspect is not None:
        exchange(track.session, inputs, track.block, inspect)
    return launched(track.session, inputs, track.block, track.estimate_s, inspect) if thorough else {}


def _profiled(warm: Sequence[Inputs], track: _Track, draw: random.Random, inspect: Inspect | None) -> dict[str, Any]:
    """Look at the kernels of the last block, then time calls on `warm`, if there are any, and look at theirs."""
    assert track.block is not None
    track.notes.look_at_kernels(len(track.block.slots), track.estimate_s)
    if warm:
        with unless_disturbed():
            return warmly(track.session, warm, track.estimate_s, track.notes, draw, inspect)
    return {}


def _decided(tracks: Mapping[str, _Track], precision: float) -> bool:
    if len(tracks) < 2:
        return True
    fastest = min(tracks, key=lambda name: statistics.median(tracks[name].medians))
    others = [_comparison(tracks, name, fastest) for name in tracks if name != fastest]
    return all((c.ci_high - c.ci_low) / 2 <= precision * c.ratio for c in others)


def _comparison(tracks: Mapping[str, _Track], a: str, b: str) -> Comparison:
    ratios = [x / y for x, y in zip(tracks[a].medians, tracks[b].medians, strict=True)]
    ratio, low, high = ratio_interval(ratios)
    return Comparison(name=a, baseline=b, ratio=ratio, ci_low=low, ci_high=high, rounds=len(ratios))


def _measurement(track: _Track, cold: bool, modes: Mapping[str, Any]) -> Measurement:
    uneven = are_uneven(track.blocks)
    samples = track.medians if uneven else track.samples
    median, low, high = median_interval(samples)
    return Measurement(
        median_s=median,
        ci_low_s=low,
        ci_high_s=high,
        samples_s=tuple(samples),
        blocks=len(track.medians),
        method=_method(track) + UNEVEN * uneven + ", paired and interleaved",
        state="cold" if cold else "warm",
        parent_ratio=parent_ratio(track.spans),
        stable=halves_agree(samples, DRIFT),
        **modes,
        **track.notes.fields(),
    )


def _method(track: _Track) -> str:
    return BURST if track.block and track.block.mode == "burst" else pace_of(track.session).method
