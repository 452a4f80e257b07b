"""C++ and Triton kernels for row-wise chains, made from a PyTorch reference.

A chain is row-wise when every output element depends on one row of the inputs: elementwise steps, reductions along
the row, broadcasts, slices and concatenations; a last reduction over all rows is allowed. The reference is traced to
ATen (`trace`), followed back element by element (`lower`), cut into sweeps over the row (`schedule`) and written as one
C++ function (`emit_cpp`) inside one Python file (`module`), or, for a GPU, as Triton kernels (`emit_triton`,
`module_triton`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from ...candidate import Candidate
from ...problem import Inputs, Parameter, Problem, Space, Workload
from .emit_cpp import emit
from .index import NotRowwise
from .ir import Program
from .lower import lower
from .module import Batch, entry_name, module_text
from .trace import Traced, trace, trace_inputs

__all__ = ["NotRowwise", "generate"]

# Outputs of this size leave most last-level caches before they are read again: a plain store would fetch them first.
STREAM_FROM_BYTES = 16 << 20


def generate(problem: Problem, workload: Workload, device: Literal["cpu", "cuda"] = "cpu") -> Candidate:
    """Return a candidate for `problem` at the sizes of `workload`, in C++ or, for "cuda", in Triton.

    NotRowwise says why there is none.
    """
    traced, inputs = trace(problem, workload)
    program = lower(traced)
    if not program.outputs or any(0 in t.shape for t in (*program.inputs, *program.outputs)):
        raise NotRowwise("the workload has an empty tensor or no output")
    if device == "cuda":
        return _in_triton(problem, traced, inputs, program)
    source, stash = emit(program)
    batch = _free_batch(problem, inputs, program, source, lambda other: emit(other)[0])
    written = sum(math.prod(t.shape) * getattr(torch, t.dtype).itemsize for t in program.outputs)
    space = search_space(stash, stream=written >= STREAM_FROM_BYTES)
    params = space.defaults()
    text = module_text(problem, workload, traced, inputs, program, source, params, batch)
    return Candidate(
        name=f"{problem.name}:rowwise", source=text, entry=entry_name(problem), language="cpp", kind=problem.kind,
        params=params, space=space, origin="rowwise",
    )  # fmt: skip


def _in_triton(problem: Problem, traced: Traced, inputs: Inputs, program: Program) -> Candidate:
    from .emit_triton import emit
    from .module_triton import module_text
    from .space_triton import search_space

    emitted = emit(program)
    batch = _free_batch(problem, inputs, program, emitted.text, lambda other: emit(other).text)
    space = search_space(program, emitted)
    params = space.defaults()
    return Candidate(
        name=f"{problem.name}:rowwise", source=module_text(problem, traced, inputs, program, emitted, params, batch),
        entry=entry_name(problem), language="triton", kind=problem.kind, params=params, space=space, origin="rowwise",
    )  # fmt: skip


def search_space(stash: tuple[int, ...], stream: bool) -> Space:
    """The settings of a generated kernel; `stream` is the default of STREAM.

    VECTOR lanes per vector; UNROLL independent vectors; CHUNK rows per task (0: one equal share per thread); STASH
    what later sweeps read back instead of computing again (0 nothing, 1 special functions, 2 all); STREAM stores past
    the cache; HUGE_PAGES asks the kernel for 2 MiB pages under large outputs; WIDE_SUMS adds in double instead of in
    float by stretches; PREFETCH bytes ahead.
    """
    wide = _has_avx512()
    parameters = (
        Parameter(name="VECTOR", values=(8, 16), default=16 if wide else 8),
        Parameter(name="UNROLL", values=(1, 2, 4), default=2),
        Parameter(name="CHUNK", values=(0, 1, 4, 16, 64), default=0),
        Parameter(name="STASH", values=stash, default=stash[min(1, len(stash) - 1)]),
        Parameter(name="STREAM", values=(0, 1), default=int(stream)),
        Parameter(name="HUGE_PAGES", values=(0, 1), default=1),
        Parameter(name="WIDE_SUMS", values=(0, 1), default=1),
        Parameter(name="PREFETCH", values=(0, 512, 4096), default=0),
    )
    return Space(parameters=parameters)


def _has_avx512() -> bool:
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def _free_batch(
    problem: Problem, inputs: Inputs, program: Program, source: str, write: Callable[[Program], str]
) -> Batch | None:
    """Find out whether the first size may vary: `write` must make the very same text of another size."""
    args = {f"args.{n}": v for n, v in inputs.args.items() if isinstance(v, torch.Tensor) and v.dim()}
    rank = max((t.dim() for t in args.values()), default=0)
    sizes = {t.shape[0] for t in args.values() if t.dim() == rank}
    if len(sizes) != 1 or rank < 2:
        return None
    size = sizes.pop()
    for paths in (
        frozenset(p for p, t in args.items() if t.dim() == rank),
        frozenset(p for p, t in args.items() if t.shape[0] == size),
    ):
        if _same_kernel(problem, inputs, program, source, Batch(size, paths), write):
            return Batch(size, paths)
    return None


def _same_kernel(
    problem: Problem, inputs: Inputs, program: Program, source: str, batch: Batch, write: Callable[[Program], str]
) -> bool:
    if program.rows % batch.size:
        return False
    more = 2 * batch.size + 1

    def grow(path: str, tensor: torch.Tensor) -> torch.Tensor:
        if path not in batch.paths:
            return tensor
        return torch.empty((more, *tensor.shape[1:]), dtype=tensor.dtype, device="meta")

    try:
        other = lower(trace_inputs(problem, replace(inputs.map(grow))))
        again = write(other)
    except NotRowwise:
        return False
    grown = [(more, *t.shape[1:]) if t.shape[:1] == (batch.size,) else t.shape for t in program.outputs]
    rows = program.rows // batch.size * more
    return again == source and other.rows == rows and [t.shape for t in other.outputs] == grown
