"""How generated Triton goes over the columns of its rows: all at once, in steps, or every program over a part."""

from __future__ import annotations

from dataclasses import dataclass, field

from .index import Address
from .ir import COLUMN, ROW, Program
from .rewrites import Online
from .schedule import Phase, Sweep
from .triton_values import TYPES, Values

NEUTRAL = {
    ("sum", "f"): "0.0", ("sum", "l"): "0", ("sum", "i"): "0", ("prod", "f"): "1.0", ("prod", "l"): "1",
    ("max", "f"): '-float("inf")', ("min", "f"): 'float("inf")', ("any", "b"): "False", ("all", "b"): "True",
    ("max", "l"): str(-(2**63)), ("min", "l"): str(2**63 - 1), ("max", "b"): "False", ("min", "b"): "True",
    ("max", "i"): str(-(2**31)), ("min", "i"): str(2**31 - 1),
}  # fmt: skip


@dataclass
class Step:
    """A sweep over the parts of a row: the values it computes, in order; its loads; later sweeps' loads that may go
    ahead; its own that may have gone (`late`); what it takes from earlier sweeps, and what it keeps for later ones."""

    sweep: Sweep
    order: list[int] = field(default_factory=list)
    loads: list[int] = field(default_factory=list)
    ahead: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)
    keeps: set[int] = field(default_factory=set)


class Walks(Values):
    """Writes the body of a kernel over rows in one of three ways."""

    def __init__(self, program: Program, online: dict[int, Online], used: set[str]):
        super().__init__(program, online, used)
        self.last_read: dict[tuple[int, Address], int] = {}

    # whole rows ----------------------------------------------------------------------------------------------------

    def _whole(self, phase: Phase) -> None:
        """Every sweep goes over the row's parts; a value that a later sweep needs is kept, as a tuple of its parts."""
        for length in sorted({s.length for s in phase.sweeps}):
            size = 1 << (length - 1).bit_length()
            self.put(f"C{length}: tl.constexpr = {size} if LANES == 0 or LANES > {size} else LANES")
            self.put(f"P{length}: tl.constexpr = ({length} + C{length} - 1) // C{length}")
        steps = self._kept(phase.sweeps)
        for number, step in enumerate(steps):
            self._row_inputs(step.sweep, step.order)
            kept = sorted({*step.loads, *step.ahead, *step.keeps})
            for i in kept:
                self.put(f"p{i} = ()")
            self._part_loads(number, step)
            self._part_steps(number, step)
            for i in step.sweep.reductions:
                self.put(f"v{i} = {self.call(self.values[i].op, f'a{i}')}")
            self.known |= set(step.sweep.reductions)

    def _kept(self, sweeps: list[Sweep]) -> list[Step]:
        """Decide what each sweep computes, keeps and reads; loads of later sweeps may go ahead, into the first."""
        made: dict[int, Step] = {}
        first: dict[int, Step] = {}
        steps = []
        for sweep in sweeps:
            step = Step(sweep)
            todo = [self.values[r].args[0] for r in sweep.reductions] + [s.value for s in sweep.stores]
            order: set[int] = set()
            while todo:
                i = todo.pop()
                if i in order or i in step.reads or self.values[i].space != COLUMN:
                    continue
                if i in made:
                    step.reads.add(i)
                    made[i].keeps.add(i)
                    continue
                order.add(i)
                todo.extend(self.values[i].args)
            step.order = sorted(order)
            earlier = first.setdefault(sweep.length, step)
            for i in step.order:
                made[i] = step
                if self.values[i].op == "load":
                    (step.loads if earlier is step else step.late).append(i)
                    if earlier is not step:
                        earlier.ahead.append(i)
            steps.append(step)
        return steps

    def _part(self, number: int, length: int) -> None:
        self.put(f"for k in tl.static_range(P{length}):")
        self.depth += 1
        self.put(f"j = k * C{length} + tl.arange(0, C{length})[None, None, :]")
        self._column_type("j")
        self.put(f"m{number} = None if (k + 1) * C{length} <= {length} else j < {length}")
        self.lane, self.masks[length] = "j", f"m{number}"

    def _part_loads(self, number: int, step: Step) -> None:
        """Read everything before anything is done with it."""
        if step.loads or step.ahead:
            self._part(number, step.sweep.length)
            for i in step.loads:
                self.put(f"p{i} = p{i} + ({self._load(i, True)},)")
            for i in step.ahead:
                self.put("if EARLY:")
                self.put(f"    p{i} = p{i} + ({self._load(i, True)},)")
            self.depth -= 1

    def _part_steps(self, number: int, step: Step) -> None:
        self._part(number, step.sweep.length)
        for i in sorted({*step.reads, *step.loads}):
            self.put(f"v{i} = p{i}[k]")
        for i in step.order:
            if i in step.late:
                self.put("if EARLY:")
                self.put(f"    v{i} = p{i}[k]")
                self.put("else:")
                self.put(f"    v{i} = {self._load(i, True)}")
            elif i not in step.loads:
                self.put(f"v{i} = {self._text(self.values[i])}")
        for i in sorted(step.keeps - {*step.loads, *step.late}):
            self.put(f"p{i} = p{i} + (v{i},)")
        for i in step.sweep.reductions:
            value, name = self.values[i], self.values[i].op.removeprefix("row_")
            kept = self.call("only", f"m{number}", self.name(value.args[0]), NEUTRAL[name, value.kind])
            self.put(f"a{i} = {kept} if k == 0 else {self._combined(i, kept)}")
        for store in step.sweep.stores:
            self._store(store)
        self.depth -= 1

    def _combined(self, i: int, kept: str) -> str:
        """The text of one more tile taken into the reduction `i`."""
        step = self.values[i].op.removeprefix("row_")
        if step in ("max", "min"):
            return self._two(step, self.values[i].kind, f"a{i}", kept)
        return f"a{i} {({'sum': '+', 'prod': '*', 'any': '|', 'all': '&'})[step]} {kept}"

    def _row_inputs(self, sweep: Sweep, order: list[int]) -> None:
        """Write the values per row that a sweep needs."""
        inputs = {a for i in order for a in self.values[i].args if self.values[a].space == ROW}
        inputs |= {s.value for s in sweep.stores if self.values[s.value].space == ROW}
        self._row_values(sorted(inputs))

    # walks over rows -----------------------------------------------------------------------------------------------

    def _walked(self, phase: Phase) -> None:
        for number, sweep in enumerate(phase.sweeps):
            for i in sweep.order:
                if self.values[i].op == "load":
                    self.last_read[self.values[i].attr] = number
        for number, sweep in enumerate(phase.sweeps):
            self._sweep(number, sweep)

    def _sweep(self, number: int, sweep: Sweep) -> None:
        self._row_inputs(sweep, sweep.order)
        sums = [i for i in sweep.reductions if i in self.online]
        with_sum = {self.online[i].largest for i in sums}
        for i in sweep.reductions:
            self._accumulator(i, i in with_sum)
        length, lane = sweep.length, f"c{number}"
        self.put(f"for start in tl.range(0, {length}, BLOCK, num_stages=STAGES):")
        self.depth += 1
        self.put(f"{lane} = start + tl.arange(0, BLOCK)[None, None, :]")
        self._column_type(lane)
        self.put(f"m{number} = None if {length} % BLOCK == 0 else {lane} < {length}")
        self.lane, self.masks[length] = lane, f"m{number}"
        for i in sweep.order:
            value = self.values[i]
            streams = value.op == "load" and self.last_read[value.attr] == number
            self.put(f"v{i} = {self._load(i, streams) if value.op == 'load' else self._text(value)}")
        for i in sweep.reductions:
            self._accumulate(i, f"m{number}", i in with_sum)
        for store in sweep.stores:
            self._store(store)
        self.depth -= 1
        for i in sweep.reductions:
            self._result(i, i in with_sum)
        self.known |= set(sweep.reductions)

    def _accumulator(self, i: int, with_sum: bool) -> None:
        value, step = self.values[i], self.values[i].op.removeprefix("row_")
        if with_sum:
            return
        if step == "sumexp":
            self.put(f't{i} = tl.full((1, ROWS, BLOCK), -float("inf"), tl.float32)')
            self.put(f"a{i} = tl.zeros((1, ROWS, BLOCK), tl.float32)")
        else:
            self.put(f"a{i} = tl.full((1, ROWS, BLOCK), {NEUTRAL[step, value.kind]}, {TYPES[value.kind]})")

    def _accumulate(self, i: int, mask: str, with_sum: bool) -> None:
        value, step = self.values[i], self.values[i].op.removeprefix("row_")
        source = self.name(value.args[0])
        if with_sum:
            return
        if step == "sumexp":
            kept = self.call("only", mask, source, '-float("inf")')
            self.put(f"t{i}, a{i} = {self.call('online', f't{i}', f'a{i}', kept)}")
            return
        kept = self.call("only", mask, source, NEUTRAL[step, value.kind])
        self.put(f"a{i} = {self._combined(i, kept)}")

    def _result(self, i: int, with_sum: bool) -> None:
        if with_sum:
            return
        step = self.values[i].op.removeprefix("row_")
        if step != "sumexp":
            self.put(f"v{i} = {self.call('row_' + step, f'a{i}')}")
            return
        about = self.online[i]
        self.put(f"v{about.largest} = {self.call('row_max', f't{i}')}")
        self.put(f"v{i} = {self.call('online_sum', f't{i}', f'a{i}', f'v{about.largest}', str(about.zero))}")
        self.known.add(about.largest)

    # elementwise phases --------------------------------------------------------------------------------------------

    def _flat(self, phase: Phase) -> None:
        for number, sweep in enumerate(phase.sweeps):
            lane = f"c{number}"
            self.put(f"{lane} = block * BLOCK + tl.arange(0, BLOCK)[None, None, :]")
            self._column_type(lane)
            self.put(f"m{number} = None if {sweep.length} % BLOCK == 0 else {lane} < {sweep.length}")
            self.lane, self.masks[sweep.length] = lane, f"m{number}"
            self._row_inputs(sweep, sweep.order)
            for i in sweep.order:
                value = self.values[i]
                self.put(f"v{i} = {self._load(i, True) if value.op == 'load' else self._text(value)}")
            for store in sweep.stores:
                self._store(store)
