"""Row programs that compute the same with less: known forms found among the values and put in better ones.

`one_pass`: the largest element of a row and the sum of exp(x - largest), in one pass instead of two. Kernels that hold
a row in registers have no use for it; those that walk over the row read it once less. While walking, every lane keeps
its own maximum and its own sum, which shrinks when the maximum grows (the online softmax of Milakov and Gimelshein,
2018).

`one_exp`: log(exp(-m) + exp(a - m)) with m = max(a, 0), as torch writes a cross entropy of logits, is
log(1 + exp(-|a|)): one of the two exponentials is exp(0).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

from .ir import ROW, Program, Value


@dataclass(frozen=True)
class Online:
    """What a "row_sumexp" is taken about: `largest` is the number of the row_max; `zero` says that an infinite maximum
    counts as 0, as torch.logsumexp has it."""

    largest: int
    zero: bool


def one_pass(program: Program) -> tuple[Program, dict[int, Online]]:
    """Return the program with every such sum as "row_sumexp" of x, and what each is about; value numbers stay."""
    changed = Program(program.rows, list(program.values), program.inputs, program.outputs, program.stores)
    known: dict[int, Online] = {}
    for number, value in enumerate(program.values):
        found = _sum_of_exp(program, value)
        if found is not None:
            source, known[number] = found
            changed.values[number] = Value("row_sumexp", (source,), "f", ROW, 0, value.attr)
    return changed, known


def _sum_of_exp(program: Program, value: Value) -> tuple[int, Online] | None:
    """(x, what) when `value` is the sum over a row of exp(x - max x)."""
    values = program.values
    if value.op != "row_sum" or values[value.args[0]].op != "exp":
        return None
    away = values[values[value.args[0]].args[0]]
    if away.op != "sub":
        return None
    source, top = away.args
    largest = _under_infinity(program, top)
    zero = largest is not None
    largest = top if largest is None else largest
    if values[largest].op != "row_max" or values[largest].args != (source,) or values[largest].attr != value.attr:
        return None
    return source, Online(largest, zero)


def _under_infinity(program: Program, top: int) -> int | None:
    """m when `top` is where(|m| == inf, 0, m)."""
    values = program.values
    if values[top].op != "where":
        return None
    mask, no, largest = values[top].args
    if values[mask].op != "eq" or program.constant_of(no) != 0.0:
        return None
    size, limit = values[mask].args
    is_size = values[size].op == "abs" and values[size].args == (largest,)
    return largest if is_size and program.constant_of(limit) == math.inf else None


def one_exp(program: Program) -> Program:
    """Return the program with every such logarithm written with one exponential; value numbers stay."""
    changed = Program(program.rows, list(program.values), program.inputs, program.outputs, program.stores)
    uses = Counter(a for value in program.values for a in value.args)
    uses.update(s.value for s in program.stores)
    for number, value in enumerate(program.values):
        found = _log_of_two_exps(program, value)
        if found is None or any(uses[slot] != 1 for slot in found[1]):
            continue
        (size, other, power), a = found[1][:3], found[0]
        for slot, op, arg in ((size, "abs", a), (other, "neg", size), (power, "exp", other)):
            changed.values[slot] = replace(program.values[slot], op=op, args=(arg,))
        changed.values[number] = replace(value, op="log_1plus", args=(power,))
    return changed


def _log_of_two_exps(program: Program, value: Value) -> tuple[int, list[int]] | None:
    """(a, the slots of what only this logarithm needs, ascending) when `value` is such a logarithm."""
    values = program.values
    if value.op != "log" or values[value.args[0]].op != "add":
        return None
    left, right = values[value.args[0]].args
    if values[left].op != "exp" or values[right].op != "exp":
        return None
    minus, away = values[left].args[0], values[right].args[0]
    if values[minus].op != "neg" or values[away].op != "sub" or values[away].args[1] != values[minus].args[0]:
        return None
    a, top = values[away].args
    limits = {program.constant_of(i) for i in values[top].args if i != a}
    if values[top].op != "max" or a not in values[top].args or limits != {0.0}:
        return None
    a = values[a].args[0] if values[a].op == "neg" else a  # |-x| is |x|
    return a, [*sorted((left, away, right)), value.args[0]]
