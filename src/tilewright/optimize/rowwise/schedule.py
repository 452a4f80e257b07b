"""When is each value computed? Phases end at reductions over all rows, passes over a row end at its reductions.

Phase: one parallel loop over rows. Pass: one sweep over the columns of a row. A value of an earlier pass that a later
one needs is computed again from the inputs, or read from a per-thread buffer ("stash"); both plans are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .ir import COLUMN, TRANSCENDENTAL, Program, Store

HEAVY = {
    *(*TRANSCENDENTAL, "atan2", "pow", "gelu_erf", "gelu_tanh"),
    *("remainder", "fmod", "div", "sqrt", "rsqrt", "reciprocal"),
}
RECOMPUTE, STASH_HEAVY, STASH_ALL = 0, 1, 2


@dataclass
class Sweep:
    """One loop over `length` columns: the reductions and stores it does, the values it stashes and reads back."""

    length: int
    reductions: list[int] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)
    keeps: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)


@dataclass
class Phase:
    """One parallel loop over rows: `sweeps` in order, then what is stored per row and what is reduced over rows."""

    sweeps: list[Sweep]
    row_stores: list[Store]
    totals: list[int]
    stashed: list[int]


@dataclass
class Plan:
    """The phases, and the single numbers that are stored after the last of them."""

    phases: list[Phase]
    final_stores: list[Store]


class Levels:
    """For every value the phase it belongs to and the pass within the row after which it can be computed."""

    def __init__(self, program: Program):
        self.phase: list[int] = []
        self.level: list[int] = []
        for value in program.values:
            phase = max((self.phase[a] for a in value.args), default=0)
            level = max((self.level[a] for a in value.args), default=0)
            if value.op.startswith("row_"):
                level += 1
            if value.op.startswith("all_"):
                phase, level = phase + 1, 0
            self.phase.append(phase)
            self.level.append(level)


def plan(program: Program, stash: int) -> Plan:
    """Return the schedule of `program` for one way of handling values that several passes need."""
    levels = Levels(program)
    values = program.values
    totals = [i for i, v in enumerate(values) if v.op.startswith("all_")]
    single = [s for s in program.stores if _is_single(program, s)]
    inside = [s for s in program.stores if s not in single]
    last = max([levels.phase[s.value] for s in program.stores] + [levels.phase[t] for t in totals], default=0)
    phases = []
    for number in range(last + 1):
        stores = [s for s in inside if levels.phase[s.value] == number]
        sums = [t for t in totals if levels.phase[t] == number + 1]
        if stores or sums:
            phases.append(_phase(program, levels, number, stores, sums, stash))
    return Plan(phases, single)


def _is_single(program: Program, store: Store) -> bool:
    shape = program.outputs[store.output].shape
    return store.length == 0 and program.rows != 1 and all(s == 1 for s in shape)


def _phase(
    program: Program, levels: Levels, number: int, stores: list[Store], totals: list[int], stash: int
) -> Phase:  # fmt: skip
    values = program.values
    columns = [s for s in stores if s.length]
    roots = [s.value for s in stores] + [values[t].args[0] for t in totals]
    needed = reachable(program, roots)
    reductions = [i for i in needed if values[i].op.startswith("row_")]
    sweeps: dict[tuple[int, int], Sweep] = {}

    def sweep(level: int, length: int) -> Sweep:
        return sweeps.setdefault((level, length), Sweep(length))

    for i in reductions:
        sweep(levels.level[i] - 1, values[i].attr).reductions.append(i)
    # the last pass finds its inputs in the cache, and stores that come together share their reads
    final = max((levels.level[s.value] for s in columns), default=0)
    for store in columns:
        level = levels.level[store.value] if stash != RECOMPUTE else final
        sweep(level, store.length).stores.append(store)
    ordered = [sweeps[key] for key in sorted(sweeps, key=lambda k: (k[0], k[1]))]
    return Phase(ordered, [s for s in stores if not s.length], totals, _fill(program, ordered, stash))


def reachable(program: Program, roots: Iterable[int]) -> list[int]:
    """The values that `roots` depend on, in order, not looking through reductions over all rows."""
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        i = todo.pop()
        if i not in seen:
            seen.add(i)
            if not program.values[i].op.startswith("all_"):
                todo.extend(program.values[i].args)
    return sorted(seen)


def _fill(program: Program, sweeps: list[Sweep], stash: int) -> list[int]:
    """Decide what each sweep computes, stashes and reads back; return the stashed values of the whole row."""
    values = program.values
    heavy = _heavy(program)
    made: dict[int, Sweep] = {}
    for current in sweeps:
        roots = [values[r].args[0] for r in current.reductions] + [s.value for s in current.stores]
        order: set[int] = set()
        todo = list(roots)
        while todo:
            i = todo.pop()
            value = values[i]
            if i in order or i in current.reads or value.space != COLUMN:
                continue
            earlier = made.get(i)
            if earlier is not None and earlier.length == current.length and _worth(program, i, heavy, stash):
                current.reads.add(i)
                if i not in earlier.keeps:
                    earlier.keeps.append(i)
                continue
            order.add(i)
            todo.extend(value.args)
        current.order = sorted(order)
        for i in order:
            made.setdefault(i, current)
    return sorted({i for s in sweeps for i in s.keeps})


def _worth(program: Program, i: int, heavy: set[int], stash: int) -> bool:
    value = program.values[i]
    if stash == RECOMPUTE or value.kind != "f" or value.op in ("load", "position"):
        return False
    return stash == STASH_ALL or i in heavy


def _heavy(program: Program) -> set[int]:
    """Column values whose computation contains a special function or a division."""
    heavy: set[int] = set()
    for i, value in enumerate(program.values):
        if value.space == COLUMN and (value.op in HEAVY or any(a in heavy for a in value.args)):
            heavy.add(i)
    return heavy
