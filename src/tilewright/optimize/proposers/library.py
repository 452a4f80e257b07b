"""Operators of the library that compute the same thing, found by mathematics and never by name.

Every operator's reference is run in float64 on a few rows of the problem's own inputs, under every assignment of the
problem's tensors and numbers to the operator's parameters that fits. Where one agrees with the problem's reference to
a relative error under 1e-9, on two seeds, the operator is proposed. A proposal is not trusted: it is judged like any
other candidate.
"""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from ...candidate import Candidate
from ...problem import Inputs, Problem, Workload, as_tuple
from ...syntax import tree_of
from ..context import Context, Declined
from .eager import reference_source

STAGE = "seed"
RANK = 2
AGREE = 1e-9  # float64 over a few rows is exact to about 1e-13; two eps that differ show at 1e-7 and above
ROWS = 3
MOST_ASSIGNMENTS = 3000  # that are run, of each operator
MOST_COMBINATIONS = 100_000  # that are looked at
REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, AssertionError, NotImplementedError, KeyError)


@dataclass(frozen=True)
class Match:
    """An operator, which of its outputs are the problem's, and the text of each argument it is called with."""

    operator: str
    outputs: tuple[int, ...]
    arguments: dict[str, str]
    of: int


@dataclass(frozen=True)
class _Case:
    """One call of the problem in float64: its tensors by path, its numbers, and the outputs wanted."""

    tensors: dict[str, torch.Tensor]
    wanted: tuple[torch.Tensor, ...]


def propose(context: Context) -> Iterable[Candidate]:
    from ... import ops

    found = list(matches(context.problem, context.workload, {n: ops.get(n) for n in ops.names()}, context.seed))
    if not found:
        raise Declined("no operator of the library computes this")
    for match in found:
        yield _candidate(context.problem, match)


def matches(problem: Problem, workload: Workload, operators: Mapping[str, Problem], seed: int) -> Iterator[Match]:
    """Yield the operators that agree with `problem`, each under the first assignment that does."""
    with torch.no_grad():
        cases = [_case(problem, workload, s) for s in (seed, seed + 1)]
        numbers = _numbers(problem, workload)
        for name, operator in operators.items():
            assignments = _assignments(operator, cases[0], numbers)
            for arguments in itertools.islice(assignments, MOST_ASSIGNMENTS):
                outputs, of = _agreeing_outputs(operator, arguments, cases)
                if outputs:
                    yield Match(name, outputs, {k: v.text for k, v in arguments.items()}, of)
                    break


@dataclass(frozen=True)
class _Argument:
    """A value for one parameter: its text in the candidate, and what it is in a case."""

    text: str
    path: str | None
    value: Callable[[_Case], Any]


def _agreeing_outputs(
    operator: Problem, arguments: Mapping[str, _Argument], cases: Iterable[_Case]
) -> tuple[tuple[int, ...], int]:
    """Return which of the operator's outputs are the wanted ones in every case (none: they differ), and of how many."""
    agreed: tuple[int, ...] | None = None
    of = 0
    for case in cases:
        try:
            got = as_tuple(operator.reference(**{k: a.value(case) for k, a in arguments.items()}))  # type: ignore[misc]
        except REFUSALS:
            return (), 0
        of = len(got)
        found = tuple(next((i for i, g in enumerate(got) if _equal(g, w)), -1) for w in case.wanted)
        if -1 in found or (agreed is not None and agreed != found):
            return (), 0
        agreed = found
    return agreed or (), of


def _equal(got: Any, wanted: torch.Tensor) -> bool:
    if not isinstance(got, torch.Tensor) or got.shape != wanted.shape or not wanted.numel():
        return False
    if not wanted.is_floating_point():
        return got.dtype == wanted.dtype and bool(torch.equal(got, wanted))
    scale = wanted.abs().max()
    return bool((got.double() - wanted.double()).abs().max() <= AGREE * scale) and bool(scale > 0)


def _case(problem: Problem, workload: Workload, seed: int) -> _Case:
    """Draw a call in float64, cut to a few rows where the reference allows that."""
    generator = torch.Generator().manual_seed(seed)

    def uneven(_: str, t: torch.Tensor) -> torch.Tensor:
        # A weight of ones or a bias of zeros would hide what it does.
        if not t.is_floating_point() or t.numel() < 2 or t.min() != t.max():
            return t
        return t + 0.1 * torch.randn(t.shape, generator=generator, dtype=t.dtype)

    call = problem.make_inputs(workload, seed).cast(torch.float64).map(uneven)
    for fewer in _cuts(call):
        try:
            return _Case(fewer.tensors(), problem.run(fewer))
        except REFUSALS:
            continue
    return _Case(call.tensors(), problem.run(call))


def _cuts(call: Inputs) -> Iterator[Inputs]:
    """Yield the call with the first axis of its arguments cut to `ROWS`: of all that share its size, then of fewer."""
    rows = {k: t.shape[0] for k, t in call.tensors().items() if k.startswith("args.") and t.ndim >= 2}
    if not rows or max(rows.values()) <= ROWS:
        return
    size = next(iter(rows.values()))
    same = [k for k, t in call.tensors().items() if k.startswith("args.") and t.ndim and t.shape[0] == size]
    for chosen in (same, [k for k in same if k in rows], [next(iter(rows))]):
        yield call.map(partial(_cut, frozenset(chosen)))


def _cut(chosen: frozenset[str], path: str, tensor: torch.Tensor) -> torch.Tensor:
    return tensor[:ROWS] if path in chosen else tensor


def _numbers(problem: Problem, workload: Workload) -> list[float | int]:
    """The numbers that the problem itself mentions: arguments, constructor arguments, attributes, and its text."""
    call = problem.make_inputs(workload, 0)
    found: list[Any] = [*call.args.values(), *call.init, *workload.params.values()]
    if problem.kind == "module":
        module = problem.reference(*call.init)  # type: ignore[misc]
        found += [v for m in module.modules() for k, v in vars(m).items() if not k.startswith("_")]
    try:
        found += [n.value for n in ast.walk(tree_of(reference_source(problem)[0])) if isinstance(n, ast.Constant)]
    except (Declined, SyntaxError):
        found += []  # no text to read numbers from: those found so far have to do
    numbers = [v for v in found if isinstance(v, int | float) and not isinstance(v, bool)]
    return list(dict.fromkeys(numbers))


def _assignments(operator: Problem, case: _Case, numbers: list[float | int]) -> Iterator[dict[str, _Argument]]:
    """Yield ways to call the operator: each of its parameters gets a tensor, a number, a flag, a word, or its default.

    No tensor is given twice, and every tensor of the problem is used: one that the operator never sees would mean that
    the problem does not depend on it.
    """
    parameters = inspect.signature(operator.reference).parameters  # type: ignore[arg-type]
    options = [[(name, o) for o in _options(p, operator, case, numbers)] for name, p in parameters.items()]
    if sum(any(o is not None and o.path for _, o in some) for some in options) < len(case.tensors):
        return
    for chosen in itertools.islice(itertools.product(*options), MOST_COMBINATIONS):
        paths = [a.path for _, a in chosen if a is not None and a.path]
        if len(set(paths)) == len(paths) == len(case.tensors):
            yield {name: a for name, a in chosen if a is not None}


def _options(
    parameter: inspect.Parameter, operator: Problem, case: _Case, numbers: list[float | int]
) -> list[_Argument | None]:
    """What may stand for one parameter; None leaves it to its default."""
    kind, default = str(parameter.annotation), parameter.default
    options: list[_Argument | None] = [] if default is inspect.Parameter.empty else [None]
    if "Tensor" in kind or (default is inspect.Parameter.empty and kind == str(inspect.Parameter.empty)):
        options += [view for path in case.tensors for view in _views(path, case.tensors[path])]
    elif "bool" in kind:
        options += [_constant(v) for v in (True, False) if v is not default]
    elif "float" in kind:
        options += [_constant(float(v)) for v in numbers if v != default]
    elif "int" in kind:
        options += [_constant(v) for v in numbers if isinstance(v, int) and v != default and abs(v) < 64]
    elif "str" in kind or "Literal" in kind:
        words = {w.params.get(parameter.name) for w in operator.workloads} - {None, default}
        words |= set(ast.literal_eval(f"[{kind.split('[')[1].split(']')[0]}]")) if "Literal[" in kind else set()
        options += [_constant(w) for w in sorted(map(str, words - {default, None}))]
    return options


def _views(path: str, tensor: torch.Tensor) -> list[_Argument]:
    views = [_Argument(_text(path), path, lambda case: case.tensors[path])]
    if tensor.ndim == 2 and path.startswith("state."):  # nn.Linear keeps its weight transposed
        views.append(_Argument(f"{_text(path)}.t()", path, lambda case: case.tensors[path].t()))
    return views


def _constant(value: Any) -> _Argument:
    return _Argument(repr(value), None, lambda case: value)


def _text(path: str) -> str:
    """The expression by which a candidate reaches the tensor at `path` of a call."""
    where, _, name = path.partition(".")
    if where == "args":
        return name
    return f"self.{name}" if all(part.isidentifier() for part in name.split(".")) else f"self.state_dict()[{name!r}]"


def _candidate(problem: Problem, match: Match) -> Candidate:
    arguments = ", ".join(f"{k}={v}" for k, v in match.arguments.items())
    call = f"tilewright.ops.{match.operator}({arguments})"
    names = ", ".join(problem.signature())
    if match.of > 1:
        picked = ", ".join(f"outputs[{i}]" for i in match.outputs)
        body = [f"outputs = {call}", f"return {picked}"]
    else:
        body = [f"return {call}"]
    if problem.kind == "module":
        source, _ = reference_source(problem)
        lines = "".join(f"        {line}\n" for line in body)
        source += f"\n\nimport tilewright.ops\n\n\nclass ModelNew(Model):\n    def forward(self, {names}):\n{lines}"
        entry = "ModelNew"
    else:
        lines = "".join(f"    {line}\n" for line in body)
        source, entry = f"import tilewright.ops\n\n\ndef candidate({names}):\n{lines}", "candidate"
    return Candidate(name=f"ops.{match.operator}", source=source, entry=entry, kind=problem.kind, origin="library")
