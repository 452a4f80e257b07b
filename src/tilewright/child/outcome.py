"""What a session's calls did: one that was judged, or a block that was timed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..candidate import CandidateError, Status
from .answers import OutputMeta, plain, seconds_of

_NOTICE_S = 0.002  # the child is at work already when the parent learns that it has begun


@dataclass(frozen=True)
class Outcome:
    """What one call did. `outputs` are the parent's own copies, packed, in the kind of memory that the arena has; an
    entry is an empty tensor where nothing of the expected size came back (the meta says what came instead). `mutated`
    and `out_of_bounds` name inputs whose content or guard bands changed; `stable` is False if this call changed the
    results of the call before, and `changed` holds what `mutated` inputs came to. `own_backward` says whether `grads`
    come through a backward pass that is not torch's own, as far as the child tells."""

    outputs: tuple[torch.Tensor, ...]
    metas: tuple[OutputMeta, ...]
    mutated: tuple[str, ...] = ()
    out_of_bounds: tuple[str, ...] = ()
    grads: dict[str, torch.Tensor] = field(default_factory=dict)
    stable: bool = True
    changed: dict[str, torch.Tensor] = field(default_factory=dict)
    own_backward: bool = False


@dataclass(frozen=True)
class TimedBlock:
    """A block of timed calls. `calls_s` are the child's claims, of each call, or on a GPU the mean of each replay of
    the block; `claimed_s` spans all of them; `parent_s` is the parent's clock over it, less what the parent itself
    waited for a processor, of which an empty block takes `latency_s`; `answered_s` goes on until the result of the
    last call, or of all of them, lay in the shared memory; `inside` says whether all stamps lie between asking and
    being told. `outcome` is a result, of the call on slot `last_slot`, read when it is first asked for, which must be
    before the child is asked for anything else. `mode` is "calls", "graph" or "burst" (child.replay), and `host_s`
    what the host needs to start one call on a GPU."""

    calls_s: tuple[float, ...]
    slots: tuple[int, ...]
    claimed_s: float
    parent_s: float
    inside: bool
    last_slot: int
    read: Callable[[], Outcome]
    mode: str = "calls"
    why: str = ""
    host_s: float = 0.0
    latency_s: float = 0.0
    answered_s: float = 0.0

    @functools.cached_property
    def outcome(self) -> Outcome:
        return self.read()


def shares_input(outcome: Outcome) -> bool:
    """Whether a result lies where an input does, which the next call's inputs overwrite: if the reference's does too,
    that is no fault."""
    return any(m.aliases for m in outcome.metas)


def replayed(
    answer: dict[str, Any],
    replays: int,
    calls: int,
    parent_s: float,
    schedule: Sequence[int],
    read: Callable[[], Outcome],
) -> TimedBlock:
    given = answer.get("samples_s")
    samples = [seconds_of(s) for s in given] if isinstance(given, list) else []
    if len(samples) != replays or min(samples) <= 0.0:
        raise CandidateError(Status.TIMING_INCONSISTENT, "the child miscounted its timed calls")
    claimed_s = sum(samples) * calls
    return TimedBlock(
        tuple(samples),
        tuple(schedule),
        claimed_s,
        parent_s,
        claimed_s <= parent_s + _NOTICE_S,
        schedule[-1],
        read,
        plain(answer.get("mode"), 20),
        plain(answer.get("why"), 200),
        seconds_of(answer.get("host_s", 0.0)),
    )
