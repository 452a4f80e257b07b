"""Problems that say themselves what is right: a result need not equal the reference's, if a checker accepts it.

A decomposition is unique only up to signs, and a hash table only up to the order of its entries; such a problem brings
a checker. It runs here, in the trusted process, on the inputs of the call and the bytes of its result. It was written
for the problem's own inputs: a family of inputs on which it refuses the reference itself is left out. What stands
before numbers (shapes, types, side effects) and where numbers must be finite is not its to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from ..candidate import Status
from ..problem import Inputs, Problem
from .judgement import Judgement, fail

if TYPE_CHECKING:
    from ..child.outcome import Outcome
    from .truth import Truth


def accepting(problem: Problem, inputs: Inputs, truth: Truth) -> Truth:
    """Return `truth` with the checker of `problem`, if it has one, for calls on `inputs`."""
    accepts = problem.accepts
    if accepts is None:
        return truth

    def accepts_here(outputs: Sequence[torch.Tensor]) -> str:
        fresh = inputs.map(lambda _, t: t.detach().cpu().clone())
        return accepts(fresh, tuple(o.detach().cpu().clone() for o in outputs))

    return replace(truth, accepts=accepts_here)


def refusal(truth: Truth) -> str:
    """Why the checker refuses the reference's own result; "" if it accepts it, or there is none."""
    return truth.accepts(_results(truth, truth.working)) if truth.accepts is not None else ""


def judged_by_checker(truth: Truth, outcome: Outcome) -> Judgement:
    """What the checker says of the result of a call whose shapes, types and side effects are right."""
    assert truth.accepts is not None
    given = _results(truth, outcome.outputs)
    for right, value in zip(truth.outputs, given, strict=False):
        if right.codes is None and value.is_floating_point() and not bool(torch.isfinite(value.float()).all()):
            return fail(Status.NONFINITE, right.name, f"{right.name} is not finite; the reference's is")
    said = truth.accepts(given)
    first = truth.outputs[0].name
    return fail(Status.INCORRECT_NUMERICAL, first, f"the problem's own checker: {said}") if said else _PASSED


def _results(truth: Truth, outputs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The results without the changed arguments, which follow them."""
    return tuple(outputs[: len(truth.outputs) - len(truth.changes)])


_PASSED = Judgement(Status.PASSED)
