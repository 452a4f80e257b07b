"""A session without a wall, for tests of the judge: runs a Python callable here and reports what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tilewright.candidate import CandidateError, Status
from tilewright.child.outcome import Outcome, OutputMeta
from tilewright.child.program import has_own_backward
from tilewright.child.tensors import flat, same_bytes
from tilewright.problem import Inputs, Problem, as_tuple


class InProcess:
    """Calls `fn(*args)`; `sandbox` is "none". It offers what verify needs of a child's session."""

    sandbox = "none"

    def __init__(self, fn: Callable[..., Any], problem: Problem) -> None:
        self.fn, self.problem = fn, problem
        self.calls = 0
        self._last: list[tuple[torch.Tensor, torch.Tensor]] = []

    def call(
        self,
        inputs: Inputs,
        *,
        grads: Sequence[str] = (),
        grad_outputs: Sequence[torch.Tensor] = (),
        poison: bool = False,
        slot: int = 0,
    ) -> Outcome:
        self.calls += 1
        own = inputs.map(lambda p, t: t.detach().clone().requires_grad_(p.partition(".")[2] in grads))
        try:
            outputs = as_tuple(self.fn(*own.args.values()))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise CandidateError(Status.RUNTIME_ERROR, str(error)) from error
        own_backward = has_own_backward([o.grad_fn for o in outputs if isinstance(o, torch.Tensor)])
        leaves = {p.partition(".")[2]: t for p, t in own.tensors().items()}
        found = {}
        if grads:
            try:
                got = torch.autograd.grad(outputs, [leaves[n] for n in grads], grad_outputs, allow_unused=True)
            except RuntimeError as error:
                raise CandidateError(Status.RUNTIME_ERROR, str(error)) from error
            found = {n: g.clone() for n, g in zip(grads, got, strict=True) if g is not None}
        stable = all(same_bytes(kept, then) for kept, then in self._last)
        self._last = [(o.detach(), o.detach().clone()) for o in outputs if isinstance(o, torch.Tensor)]
        copies = tuple(o.detach().clone() if isinstance(o, torch.Tensor) else torch.empty(0) for o in outputs)
        before = flat(inputs)
        mutated = tuple(p for p, t in flat(own).items() if not same_bytes(t.detach(), before[p]))
        metas = tuple(_meta(i, o, outputs, flat(own)) for i, o in enumerate(outputs))
        changed = {path: flat(own)[path].detach().clone() for path in mutated}
        return Outcome(copies, metas, mutated, (), found, stable, changed, own_backward)


def _meta(index: int, output: Any, outputs: Sequence[Any], inputs: dict[str, torch.Tensor]) -> OutputMeta:
    if not isinstance(output, torch.Tensor):
        return OutputMeta(False, (), type(output).__name__, (), "")

    def shares(other: Any) -> bool:
        if not isinstance(other, torch.Tensor) or not other.numel() or not output.numel():
            return False
        return bool(other.untyped_storage().data_ptr() == output.untyped_storage().data_ptr())

    return OutputMeta(
        True,
        tuple(output.shape),
        str(output.dtype).removeprefix("torch."),
        tuple(output.stride()),
        str(output.device),
        tuple(p for p, t in inputs.items() if shares(t)),
        tuple(i for i, o in enumerate(outputs) if i != index and shares(o)),
    )
