"""Cases: the inputs of one call with their truth, made once per problem and seed and kept within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import torch

from ..candidate import CandidateError, Status
from ..problem import Inputs, Problem, Workload
from ..schema import content_digest
from .acceptance import accepting, refusal
from .families import draw, skip_reason
from .truth import Truth, grad_outputs_for, make_truth, without_working

# What a reference raises when inputs leave its domain.
_DOMAIN_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError, AssertionError)
# What a backward pass needs is kept in float64, and as much again is made on the way back.
_GRAPH_COPIES = 2


@dataclass(frozen=True)
class Case:
    """One call to be judged. `truth` is None where the family has no room here, and `skipped` says why; `grads` are
    the arguments whose gradients are judged, `grad_outputs` the gradients fed back."""

    workload: str
    family: str
    seed: int
    inputs: Inputs | None
    truth: Truth | None
    skipped: str = ""
    grads: tuple[str, ...] = ()
    grad_outputs: tuple[torch.Tensor, ...] = ()

    @property
    def nbytes(self) -> int:
        tensors = [] if self.inputs is None else list(self.inputs.tensors().values())
        held = sum(t.numel() * t.element_size() for t in [*tensors, *self.grad_outputs])
        return held + (self.truth.nbytes if self.truth else 0)


class TruthCache:
    """Keeps the most recently used truths and cases, up to `limit_bytes` of host memory. References run on `device`.
    Threads may share it: each truth is made once, one at a time."""

    def __init__(self, limit_bytes: int = 2 << 30, device: torch.device | None = None) -> None:
        self.limit_bytes = limit_bytes
        self.device = device
        self._kept: OrderedDict[Hashable, Truth | Case] = OrderedDict()
        self._weak: dict[Hashable, list[str]] = {}
        self._lock = threading.RLock()

    @property
    def nbytes(self) -> int:
        return sum(kept.nbytes for kept in self._kept.values())

    def get(self, problem: Problem, inputs: Inputs, key: Hashable) -> Truth:
        """Return the truth of `inputs`, which `key` names for this problem."""
        full = (problem.digest, key)
        with self._lock:
            if not isinstance(self._kept.get(full), Truth):
                truth = accepting(problem, inputs, make_truth(problem, inputs, device=self.device))
                self._keep(full, without_working(truth))
            self._kept.move_to_end(full)
            found = self._kept[full]
        assert isinstance(found, Truth)
        return found

    def case(self, problem: Problem, workload: Workload, family: str, seed: int, grads: bool = False) -> Case:
        """Return the case of `family` at `workload`. CandidateError(INVALID_REFERENCE) if the reference itself fails
        on the inputs of its own problem."""
        full = (problem.digest, workload.digest, family, seed, grads)
        with self._lock:
            if not isinstance(self._kept.get(full), Case):
                self._keep(full, self._make(problem, workload, family, seed, grads))
            self._kept.move_to_end(full)
            found = self._kept[full]
        assert isinstance(found, Case)
        return found

    def gradients(
        self, problem: Problem, workload: Workload, seed: int, names_of: Callable[[Problem, Inputs], tuple[str, ...]]
    ) -> Case:
        """Return the normal case with the gradients of all that `names_of` names, or with the reason why they cannot be
        judged."""
        full = (problem.digest, workload.digest, seed, "gradients")
        with self._lock:
            if not isinstance(self._kept.get(full), Case):
                self._keep(full, self._with_gradients(problem, self.case(problem, workload, "normal", seed), names_of))
            found = self._kept[full]
        assert isinstance(found, Case)
        return found

    def _with_gradients(
        self, problem: Problem, case: Case, names_of: Callable[[Problem, Inputs], tuple[str, ...]]
    ) -> Case:
        assert case.inputs is not None
        assert case.truth is not None
        needed = _GRAPH_COPIES * case.truth.work_bytes
        if needed > self.limit_bytes:
            return replace(case, truth=None, skipped=f"the graph would need {needed / 2**30:.1f} GiB")
        if case.truth.changes or not case.truth.finite:
            return replace(case, truth=None, skipped="the reference changes its arguments, or is not finite")
        names, seeds = names_of(problem, case.inputs), grad_outputs_for(case.truth, case.seed)
        try:
            truth = make_truth(problem, case.inputs, grads=names, grad_outputs=seeds, device=self.device)
        except _DOMAIN_ERRORS as error:
            why = str(error).strip().splitlines()[:1]
            return replace(case, truth=None, skipped=f"the reference has none: {''.join(why)}")
        if not all(right.codes is None for right in truth.grads.values()):
            return replace(case, truth=None, skipped="those of the reference are not finite")
        return replace(case, truth=without_working(truth), grads=names, grad_outputs=seeds)

    def weak(
        self, problem: Problem, workload: Workload, seed: int, find: Callable[[Problem, Case], list[str]]
    ) -> list[str]:
        """Return what `find` says of the problem's normal case, which is the same for every candidate: found once."""
        full = (problem.digest, workload.digest, seed)
        with self._lock:
            if full not in self._weak:
                self._weak[full] = find(problem, self.case(problem, workload, "normal", seed))
            return self._weak[full]

    def _keep(self, key: Hashable, value: Truth | Case) -> None:
        self._kept[key] = value
        while len(self._kept) > 1 and self.nbytes > self.limit_bytes:
            self._kept.popitem(last=False)

    def _make(self, problem: Problem, workload: Workload, family: str, seed: int, grads: bool) -> Case:
        # Every family has content of its own; the seed of the run still replays all of it.
        own = int(content_digest(str(seed), workload.digest, family), 16) >> 2
        drawn = draw(problem, workload, family, own)
        if drawn.inputs is None:
            return Case(workload.name, family, own, None, None, drawn.reason)
        try:
            truth = make_truth(problem, drawn.inputs, device=self.device, numbers=drawn.numbers)
            truth = accepting(problem, drawn.inputs, truth)
            if why := refusal(truth):
                return self._refused(workload, family, own, why)
            if drawn.numbers and any(right.exact is not None for right in truth.outputs):
                return Case(workload.name, family, own, None, None, "what integers NaN makes is not defined")
            usual = self._normal_is_finite(problem, workload, seed) if family != "normal" else True
            if family != "normal" and (drawn.numbers == () or not usual) and skip_reason(family, truth, usual):
                return Case(workload.name, family, own, None, None, skip_reason(family, truth, True))
            names = _differentiable(problem, drawn.inputs) if grads else ()
            seeds = grad_outputs_for(truth, own) if names else ()
            if names:
                truth = make_truth(problem, drawn.inputs, grads=names, grad_outputs=seeds, device=self.device)
        except _DOMAIN_ERRORS as error:
            if family != "normal":
                return Case(workload.name, family, own, None, None, f"the reference refuses {family} inputs: {error}")
            raise CandidateError(Status.INVALID_REFERENCE, f"the reference fails on its own inputs: {error}") from error
        return Case(workload.name, family, own, drawn.inputs, without_working(truth), "", names, seeds)

    def _refused(self, workload: Workload, family: str, own: int, why: str) -> Case:
        """The case on which the problem's own checker refuses the reference."""
        said = f"the problem's own checker refuses its reference on {family} inputs: {why}"
        if family == "normal":
            raise CandidateError(Status.INVALID_REFERENCE, said)
        return Case(workload.name, family, own, None, None, said)

    def _normal_is_finite(self, problem: Problem, workload: Workload, seed: int) -> bool:
        normal = self.case(problem, workload, "normal", seed).truth
        return normal is not None and normal.finite


def _differentiable(problem: Problem, inputs: Inputs) -> tuple[str, ...]:
    given = {**inputs.args, **inputs.state}
    tensors: Sequence[str] = [n for n in problem.grads if isinstance(given.get(n), torch.Tensor)]
    return tuple(n for n in tensors if given[n].is_floating_point())
