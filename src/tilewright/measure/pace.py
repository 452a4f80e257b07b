"""How blocks are cut and paused, and how far two clocks may disagree: one Pace for a CPU, one for a GPU."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..child.session import Session


@dataclass(frozen=True)
class Effort:
    """How hard to try: seconds at most, calls at least, the wanted half width of the interval, seconds per block."""

    budget_s: float = 0.4
    calls: int = 12
    precision: float = 0.01
    block_s: float = 0.06


_LEAST_LATENCY_S = 0.0004  # a thread that has slept wakes up this late now and then, on any machine


@dataclass(frozen=True)
class Pace:
    """`cool_s` seconds of rest before each block. The parent's clock may see `tolerance`, the time of an empty block,
    and `latency_s` more than the child claims: messages between processes, a descheduled child."""

    method: str
    cool_s: float
    latency_s: float
    search: Effort
    thorough: Effort
    tolerance: float = 0.02

    def may_take_s(self, claimed_s: float, empty_s: float) -> float:
        """Seconds that the parent's clock may see of a block, whose calls took `claimed_s`; an empty one takes it
        `empty_s`. Where messages are quick, less is allowed for them."""
        return (1 + self.tolerance) * claimed_s + empty_s + min(self.latency_s, max(_LEAST_LATENCY_S, 4 * empty_s))


@dataclass(frozen=True)
class Block:
    """The calls of one block, as indices of the inputs, and how often a GPU runs the whole of it."""

    schedule: list[int]
    replays: int = 1


CPU = Pace(
    method="child monotonic clock per call, rotated inputs, freed memory kept, parent wall clock per block",
    cool_s=0.005,  # threads of an idle child have gone to sleep
    latency_s=0.002,
    search=Effort(),
    thorough=Effort(budget_s=3.0, calls=40, precision=0.005, block_s=0.12),
)
# After about 50 ms of matrix work a GPU meets its power limit and the clock falls; a rest of 25 ms before a block that
# is much shorter keeps it at its boost, where medians repeat.
GPU = Pace(
    method="replays of a CUDA graph of calls over rotated inputs, events per replay, parent wall clock per block",
    cool_s=0.025,
    latency_s=0.0004,
    search=Effort(budget_s=0.5, calls=12, precision=0.005, block_s=0.012),
    thorough=Effort(budget_s=2.0, calls=40, precision=0.002, block_s=0.015),
)
UNEVEN = ", means of blocks, as calls differ"
BURST = "bursts of calls over rotated inputs between two waits for the device (no CUDA graph), parent wall clock"

_LONGEST_BLOCK, _LONGEST_GRAPH = 2000, 256
_GRAPH_S = 0.0004  # a replay much longer than what an event costs
_KEPT_BYTES = 6 << 30  # the outputs of all calls of a graph


def pace_of(session: Session) -> Pace:
    return CPU if session.child.gpu is None else GPU


def draw_block(draw: random.Random, session: Session, call_s: float, block_s: float, slots: int) -> Block:
    """A block of about `block_s` seconds: its length drawn between one and one and a half times what is needed, every
    call on another slot than the one before. On a GPU every slot is used, so that the block leaves the cache."""
    if session.child.gpu is None:
        return Block(draw_schedule(draw, call_s, block_s, slots, _LONGEST_BLOCK))
    room = max(slots, min(_LONGEST_GRAPH, _KEPT_BYTES // max(1, session.output_bytes)))
    schedule = draw_schedule(draw, call_s, _GRAPH_S, slots, room, least=slots)
    return Block(schedule, max(2, round(block_s / (call_s * len(schedule)))))


def draw_schedule(
    draw: random.Random, call_s: float, block_s: float, slots: int, longest: int = _LONGEST_BLOCK, least: int = 2
) -> list[int]:
    shortest = max(least, min(longest, round(block_s / call_s)))
    length = draw.randint(shortest, min(shortest + shortest // 2 + 1, max(longest, least)))
    start = draw.randrange(slots)
    step = draw.choice([s for s in range(1, slots + 1) if _coprime(s, slots)])
    return [(start + i * step) % slots for i in range(length)]


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1
