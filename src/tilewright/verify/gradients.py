"""Gradients that a candidate offers without being asked: judged like those that a problem declares.

A KernelBench problem names no gradients. Where the outputs of a candidate still carry them by a backward pass of its
own, somebody will train with them, so they must be right. A candidate that is meant for inference gives none, and no
fault is found with that; nor if torch derives some that are wrong, because parts are computed where autograd does not
look (threads that write to one tensor, detached values): this is said, and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from ..candidate import CandidateError, Status
from ..problem import Inputs, Problem, Workload
from .cases import Case, TruthCache
from .judge import judge
from .judgement import Judgement
from .truth import grad_outputs_for

FORWARD_ONLY = "forward only: gradients not judged"


def names_of(problem: Problem, inputs: Inputs) -> tuple[str, ...]:
    """Floating arguments, and parameters of the module, whose gradients a candidate may offer."""
    names = [n for n, t in inputs.args.items() if isinstance(t, torch.Tensor) and t.is_floating_point()]
    if problem.kind == "module" and inputs.state:
        assert problem.reference is not None
        module = problem.reference(*inputs.init)
        every = [n for n, _ in module.named_parameters(remove_duplicate=False)]
        if len(every) == len([*module.parameters()]):  # weights with two names share a gradient
            names += [n for n in every if n in inputs.state and n not in inputs.args]
    return tuple(names)


@dataclass(frozen=True)
class Offered:
    """What was found, in `words`; where there were gradients to judge, also the case, the judgement and the outcome."""

    words: str
    case: Case | None = None
    found: Judgement | None = None
    outcome: Any = None


def offered(
    session: Any, problem: Problem, truths: TruthCache, workload: Workload, seed: int, device: str | None
) -> Offered:
    """Ask for the gradients of everything, and judge those that come. Their truth, which takes the reference a graph in
    float64, is only made where some do."""
    normal = truths.case(problem, workload, "normal", seed)
    if normal.inputs is None or normal.truth is None:
        return Offered(f"gradients not judged: {normal.skipped}")
    names, seeds = names_of(problem, normal.inputs), grad_outputs_for(normal.truth, normal.seed)
    outcome = _called(session, replace(normal, grads=names, grad_outputs=seeds))
    if isinstance(outcome, str):
        return Offered(outcome)
    if isinstance(outcome, Judgement):
        return Offered("gradients not judged: the candidate's process ended", normal, outcome)
    case = truths.gradients(problem, workload, seed, names_of)
    if case.skipped or case.truth is None:
        return Offered(f"gradients not judged: {case.skipped}")
    given = {n: right for n, right in case.truth.grads.items() if _is_there(outcome, n, right.shape)}
    if not given:
        return Offered(FORWARD_ONLY)
    missing = [n for n in case.truth.grads if n not in given]
    found = judge(replace(case.truth, grads=given), outcome, device=device)
    if not found.passed and not outcome.own_backward and not outcome.mutated:
        return Offered(f"for inference only: the gradients that torch derives are wrong ({found.detail})")
    words = f"gradients judged: {', '.join(given)}" + (f"; none offered for {', '.join(missing)}" if missing else "")
    return Offered(words, case, found, outcome)


def _called(session: Any, case: Case) -> Any:
    """The outcome of a call with its backward pass, in words why there is none, or the fault that ended the child."""
    try:
        return session.call(case.inputs, grads=case.grads, grad_outputs=case.grad_outputs)
    except CandidateError as failure:
        if failure.status in (Status.INFRA_ERROR, Status.INVALID_REFERENCE):
            raise
        child = getattr(session, "child", None)
        if child is not None and not child.alive:
            return Judgement(failure.status, 1.0, 0.0, f"asked for gradients, {failure.detail}")
        if "does not require grad" in failure.detail:
            return FORWARD_ONLY
        return f"gradients not judged: asked for them, the candidate fails with {failure.detail[:120]}"


def _is_there(outcome: Any, name: str, shape: tuple[int, ...]) -> bool:
    found = outcome.grads.get(name)
    return found is not None and (found.numel() > 0 or 0 in shape)
