"""Calls that repeat earlier ones: are the bits the same, and is the hundredth result as right as the first?

How many there are, and in which order known contents and addresses come, follows from the secret seed. A candidate that
counts its calls cannot know which one is its last.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..candidate import CandidateError, Status
from ..child.tensors import same_bytes
from .cases import Case
from .evidence import DETERMINISM_RUNS
from .judge import judge
from .judgement import Judgement

# Calls beyond those that determinism needs: at most so many, drawn anew for every seed, and seconds for all of them.
_FEWEST, _MOST, _PATIENCE_S = 16, 160, 0.5
_SLOTS = 2


@dataclass
class Repeats:
    """What came of the repeated calls: the determinism class, how many calls there were, and the first that was
    wrong (its case, and what the judge says of it)."""

    determinism: str = "bitwise"
    calls: int = 0
    wrong: tuple[Case, Judgement] | None = None
    _known: dict[tuple[int, int], list[Sequence[torch.Tensor]]] = field(default_factory=dict, repr=False)


def repeat(session: Any, cases: Sequence[Case], seed: int, truncating: bool, device: str | None) -> Repeats:
    """Call the candidate again on `cases`, all of which it has passed; the first is the one whose bits are compared."""
    found, rng = Repeats(), random.Random(seed)
    for _ in range(DETERMINISM_RUNS):
        if not _again(session, found, cases[0], 0, truncating, device):
            return found
    count, end = rng.randint(_FEWEST, _MOST), time.perf_counter() + _PATIENCE_S
    while found.calls < count and time.perf_counter() < end:
        if not _again(session, found, rng.choice(cases), rng.randrange(_SLOTS), truncating, device):
            break
    return found


def _again(session: Any, found: Repeats, case: Case, slot: int, truncating: bool, device: str | None) -> bool:
    """Make one call and compare it with the calls before; a result with other bits is judged. False if it is wrong."""
    found.calls += 1
    assert case.truth is not None
    try:
        outcome = session.call(case.inputs, slot=slot)
    except CandidateError as failure:
        if failure.status in (Status.INFRA_ERROR, Status.INVALID_REFERENCE):
            raise
        found.wrong = case, Judgement(failure.status, 1.0, 0.0, failure.detail)
        return False
    known = found._known.setdefault((case.seed, slot), [])
    same = any(_same_outputs(outcome.outputs, before) for before in known)
    if known and not same:
        found.determinism = "varies"
    if not same or outcome.mutated or outcome.out_of_bounds or not outcome.stable:
        judged = judge(case.truth, outcome, truncating_bf16=truncating, device=device)
        if not judged.passed:
            found.wrong = case, judged
            return False
        known.append(tuple(outcome.outputs))
        del known[:-2]  # of a kernel whose results vary, the last ones
    return True


def _same_outputs(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(same_bits(x, y) for x, y in zip(a, b, strict=True))


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    return same_bytes(a.contiguous(), b.contiguous())
