"""Whether a problem is fit to judge kernels with: what wrong answers it would accept, and what it says nothing about.

Degenerate answers (admission.py), one slice of the output repeated along each axis, and mutated references
(mutation.py) must all be rejected; every input must matter. A mutant is shown to one family of inputs after the other
until the judge rejects it. What cannot be told from right is a weakness; what is worth knowing and no fault is a note.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from ..candidate import CandidateError
from ..dispatch import QuietMode
from ..problem import Inputs, Problem, Workload
from .admission import outcome_of, plain, right_values, weak_points
from .cases import Case, TruthCache
from .families import EVERY
from .invariants import refuse_unknown
from .judge import judge
from .mutation import Mutant, mutants_of, outputs_of
from .outputs import same_values
from .truth import Truth

MUTATION_S = 15.0  # seconds for all mutants of one workload; what is left over is said
MOVES_S = 15.0  # seconds for moving one input after the other, each a run of the reference
SMALL_BYTES = 256 << 20  # a workload that may be made smaller is, until it needs no more than this
_TINY = 1e-3  # outputs below this pass for zeros wherever a tolerance is absolute
_FEW = 16
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|Cannot allocate memory|out of memory", re.I)


class TooLarge(Exception):
    """The problem needs more memory than may be used; one line with both numbers."""


@dataclass
class Findings:
    """What was found on one workload. `mutants` were there, `tried` were tried, `rejected` of these were rejected."""

    workload: Workload
    weak: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    mutants: int = 0
    tried: int = 0
    rejected: int = 0


def validate(
    problem: Problem,
    workload: Workload,
    seed: int,
    limit_bytes: int,
    say: Callable[[str], None] = lambda stage: None,
    limit_s: float = math.inf,
) -> Findings:
    """Find the weaknesses of `problem` at `workload`, or at a smaller one with the same axes; `say` is told what is
    done next. What would begin after `limit_s` seconds is left out, and a note says so. Raises TooLarge, and
    CandidateError(INVALID_REFERENCE) where the reference does not run or keep what it declares."""
    end_s = time.perf_counter() + limit_s
    refuse_unknown(problem)
    fitting = fitted(problem, workload, limit_bytes)
    found = Findings(fitting)
    if fitting.axes != workload.axes:
        sizes = ", ".join(f"{k}={v}" for k, v in fitting.axes.items())
        found.notes.append(f"looked at with {sizes}: {workload.name} itself would take long")
    try:
        _look(problem, seed, limit_bytes, found, say, end_s)
    except (CandidateError, RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):  # the estimate was too low
            line = " ".join(str(error).split())[-120:]
            raise TooLarge(f"{problem.name} at {workload.name} needs more memory than there is: {line}") from error
        raise
    return found


def _look(
    problem: Problem, seed: int, limit_bytes: int, found: Findings, say: Callable[[str], None], end_s: float
) -> None:
    truths, start_s = TruthCache(limit_bytes // 3), time.perf_counter()
    say("the reference in float64, and its own error")
    case = truths.case(problem, found.workload, "normal", seed)
    if case.inputs is None or case.truth is None:
        found.weak.append(f"no inputs to judge by: {case.skipped}")
        return
    truth_s = time.perf_counter() - start_s
    say("wrong answers, and inputs that do not matter")
    found.weak += weak_points(problem, case, max(0.0, min(MOVES_S, end_s - time.perf_counter())), found.notes)
    if "random" in problem.invariants:
        found.notes.append("the outputs are random: mutants are not tried")
        return
    found.weak += [*_repeated(case.truth), *_integers(problem, case.inputs, case.truth)]
    found.notes += _sizes(case.truth)
    last_s = end_s - truth_s  # a mutant may need the truth of another family, which takes as long
    if time.perf_counter() > last_s:
        found.notes.append("mutants are not tried: the time was over")
        return
    say("mutated references")
    _try_mutants(problem, found.workload, seed, truths, case, found, last_s)


def _repeated(truth: Truth) -> Iterator[str]:
    """Flat axes: the first slice along an axis, repeated, would pass."""
    values = [right_values(o) for o in truth.outputs]
    for index, right in enumerate(truth.outputs):
        for axis, size in enumerate(right.shape):
            if size < 2 or not values[index].numel():
                continue
            flat = values[index].narrow(axis, 0, 1).expand(right.shape).clone()
            if judge(plain(truth), outcome_of([*values[:index], flat, *values[index + 1 :]]), thorough=False).passed:
                yield f"{right.name}: its first slice along axis {axis}, repeated, passes"


def _integers(problem: Problem, inputs: Inputs, truth: Truth) -> Iterator[str]:
    """Integer and boolean inputs whose values, moved by one place, change nothing."""
    whole = {p: t for p, t in inputs.tensors().items() if not t.is_floating_point() and t.numel() > 1}
    if not whole:
        return
    before = problem.run(inputs.map(lambda _, t: t.clone()))
    for path, tensor in whole.items():
        if bool((tensor == tensor.reshape(-1)[0]).all()):
            continue
        other = tensor.reshape(-1).roll(1).view(tensor.shape)
        try:
            after = problem.run(inputs.map(lambda p, t, path=path, other=other: other if p == path else t.clone()))  # type: ignore[misc]
        except (RuntimeError, ValueError, IndexError):
            continue  # it matters so much that the reference refuses others
        if all(same_values(a, b) for a, b in zip(before, after, strict=True)):
            yield f"{path} does not matter"


def _sizes(truth: Truth) -> Iterator[str]:
    for right in truth.outputs:
        count = 1
        for size in right.shape:
            count *= size
        if 0 < count < _FEW:
            yield f"{right.name} has {count} values: errors of single calls are judged less finely"
        if right.value_RN is not None and count:
            largest = float(right.value_RN.abs().max())
            if 0 < largest < _TINY:
                yield f"{right.name} is {largest:.2g} at most: a checker with an absolute tolerance would accept zeros"


def _try_mutants(
    problem: Problem, workload: Workload, seed: int, truths: TruthCache, case: Case, found: Findings, last_s: float
) -> None:
    assert case.inputs is not None
    try:
        mutants = mutants_of(problem, case.inputs)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        found.notes.append(
            f"mutants are not tried: the reference cannot be followed ({str(error).splitlines()[0][:120]})"
        )
        return
    found.mutants = len(mutants)
    start_s = time.perf_counter()
    end = min(start_s + MUTATION_S, last_s)
    # The last operations first, then spread out: what time leaves undone is no one part of the reference.
    for mutant in sorted(mutants, key=lambda m: (m.index * 7919) % 1009):
        rejected = _rejected(problem, workload, seed, truths, mutant, end)
        if rejected is None:
            break
        found.tried += 1
        if rejected:
            found.rejected += 1
        else:
            (found.notes if mutant.guard else found.weak).append(f"{mutant.text} passes on every family of inputs")
    if found.tried < found.mutants:
        found.notes.append(f"{found.tried} of {found.mutants} mutants were tried in {max(0.0, end - start_s):.0f} s")


def _rejected(
    problem: Problem, workload: Workload, seed: int, truths: TruthCache, mutant: Mutant, end_s: float
) -> bool | None:
    """Whether the judge rejects `mutant` on a family of inputs; None where the time is over before that is known."""
    for family in EVERY:
        if time.perf_counter() > end_s:
            return None
        if family == "strided":  # the values of the normal family
            continue
        case = truths.case(problem, workload, family, seed)
        if case.inputs is None or case.truth is None:
            continue
        made = outputs_of(problem, case.inputs, mutant)
        if made is None or len(made) != len(case.truth.outputs):
            return True
        rights = case.truth.outputs
        if any(tuple(o.shape) != right.shape for o, right in zip(made, rights, strict=True)):
            return True
        given = [o.detach().to(right.dtype) for o, right in zip(made, rights, strict=True)]
        if not judge(plain(case.truth), outcome_of(given), thorough=False).passed:
            return True
    return False


class _Largest(QuietMode):
    """Notes the largest result of any operation, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, tuple | list) else (result,):
            if isinstance(one, torch.Tensor):
                self.bytes = max(self.bytes, one.numel() * one.element_size())
        return result


def needed_bytes(problem: Problem, workload: Workload) -> int:
    """About the memory that validation takes: inputs, their copies in float64, truths, and the largest intermediate
    results a few times over. From shapes alone where the problem can be run on them."""
    largest = _Largest()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), largest:
            inputs = problem.make_inputs(workload, 0)
            outputs = problem.run(inputs)
            return _needed(inputs, outputs, largest.bytes)
    except Exception:  # noqa: BLE001  (fake tensors fail in many ways; then only the inputs are known)
        inputs = problem.make_inputs(workload, 0)
        return _needed(inputs, (), max((t.numel() * 4 for t in inputs.tensors().values()), default=0))


def _needed(inputs: Inputs, outputs: tuple[torch.Tensor, ...], largest: int) -> int:
    tensors = [t for t in (*inputs.tensors().values(), *outputs) if isinstance(t, torch.Tensor)]
    return needed_for(tensors, largest)


def needed_for(tensors: Iterable[torch.Tensor], largest: int = 0) -> int:
    """About the memory in bytes that validation takes for these inputs and outputs, with `largest` bytes in the largest
    intermediate result. Their data is not looked at."""
    return 12 * sum(t.numel() * t.element_size() for t in tensors) + 8 * largest


def fitted(problem: Problem, workload: Workload, limit_bytes: int) -> Workload:
    """Return `workload`, or one with its largest axes halved until it is small, where its inputs follow its axes."""
    needed, fits = needed_bytes(problem, workload), workload
    while needed > min(SMALL_BYTES, limit_bytes) and fits.axes and max(fits.axes.values()) > 64:
        axis = max(fits.axes, key=fits.axes.__getitem__)
        smaller = fits.with_(axes={**fits.axes, axis: fits.axes[axis] // 2})
        less = _needed_or_none(problem, smaller)
        if less is None or less >= needed:
            break
        needed, fits = less, smaller
    if needed > limit_bytes:
        raise TooLarge(
            f"{problem.name} at {workload.name} needs about {needed / 2**30:.1f} GiB to be validated, and "
            f"{limit_bytes / 2**30:.1f} GiB may be used: give the problem a smaller workload"
        )
    return fits


def _needed_or_none(problem: Problem, workload: Workload) -> int | None:
    try:
        return needed_bytes(problem, workload)
    except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError, AssertionError):
        return None  # the reference does not take this size
