"""A row program -> Triton kernels: one per phase, in two versions, and one that ends a reduction over all rows.

"rows": a program holds whole rows in registers, in parts of LANES columns, and computes every value once. "looped": a
program walks over its rows in steps of BLOCK columns, once per pass, and reads again from L2 what several passes need.
A phase without reductions along the row has one version, cut along rows and columns. A tile is [1, rows, columns].
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .ir import UNIFORM, Program, Store
from .rewrites import Online, one_exp, one_pass
from .schedule import RECOMPUTE, STASH_ALL, Phase, plan, reachable
from .triton_math import functions_text
from .triton_values import TYPES, is_exact
from .triton_walks import NEUTRAL, Walks

PARTS = {"f": "float32", "i": "int32", "l": "int64", "b": "int32"}  # what a program's part of a reduction is kept in
SETTINGS = ("ROWS", "LANES", "BLOCK", "STAGES", "EVICT", "EARLY")
CONSTANTS = ", ".join(f"{name}: tl.constexpr" for name in (*SETTINGS, "WIDE", "EVEN"))


@dataclass(frozen=True)
class Kernel:
    """One kernel of the text: its name, what it is ("rows", "looped", "flat", "ends"), its scratch arguments, and how
    many columns its programs share out among them ("flat")."""

    name: str
    role: str
    scratch: tuple[str, ...] = ()
    width: int = 0


@dataclass
class Emitted:
    """The kernels' text, the kernels of every phase in order, and the dtype of each scratch tensor: one element per
    program for "part...", one for "total..."."""

    text: str
    passes: int = 1  # of a walk over rows, in the phase with most of them
    phases: list[list[Kernel]] = field(default_factory=list)
    scratch: dict[str, str] = field(default_factory=dict)


def emit(program: Program) -> Emitted:
    """Return the Triton text of `program`."""
    program = one_exp(program)
    plain = plan(program, STASH_ALL)  # stores as early as can be; what is kept is decided by the walk
    online_program, online = one_pass(program)
    walked = plan(online_program, RECOMPUTE)
    result = Emitted("")
    texts: list[str] = []
    used: set[str] = set()
    for number, (phase, looped) in enumerate(zip(plain.phases, walked.phases, strict=True)):
        kernels: list[tuple[str, Program, Phase, dict[int, Online]]] = []
        if _is_flat(program, phase):
            kernels.append(("flat", program, plan(program, RECOMPUTE).phases[number], {}))
        else:
            kernels += [("rows", program, phase, {}), ("looped", online_program, looped, online)]
            result.passes = max(result.passes, len(looped.sweeps))
        result.phases.append([])
        for role, source, its_phase, about in kernels:
            writer = Writer(source, about, used)
            width = max((sweep.length for sweep in its_phase.sweeps), default=0)
            kernel = Kernel(f"_rows{number}_{role}_kernel", role, writer.scratch(its_phase), width)
            texts.append(writer.kernel(kernel, its_phase))
            result.phases[-1].append(kernel)
        if phase.totals:
            writer = Writer(program, {}, used)
            last = plain.final_stores if number == len(plain.phases) - 1 else []
            kernel = Kernel(f"_rows{number}_ends_kernel", "ends", writer.ends_scratch(phase, last))
            texts.append(writer.ends(kernel, phase, last))
            result.phases[-1].append(kernel)
    if plain.final_stores and not (plain.phases and plain.phases[-1].totals):
        writer = Writer(program, {}, used)
        kernel = Kernel("_numbers_kernel", "ends", writer.ends_scratch(None, plain.final_stores))
        texts.append(writer.ends(kernel, None, plain.final_stores))
        result.phases.append([kernel])
    result.scratch = scratch_dtypes(program)
    result.text = functions_text(used, is_exact(program)) + "\n\n\n" + "\n\n\n".join(texts)
    return result


def _is_flat(program: Program, phase: Phase) -> bool:
    return bool(phase.sweeps) and not phase.totals and not any(s.reductions for s in phase.sweeps)


def scratch_dtypes(program: Program) -> dict[str, str]:
    """The dtypes of the parts and totals of every reduction over all rows."""
    result = {}
    for i, value in enumerate(program.values):
        if value.op.startswith("all_"):
            dtype = "float64" if value.op == "all_sum" and value.kind == "f" else PARTS[value.kind]
            result[f"part{i}"] = result[f"total{i}"] = dtype
    return result


class Writer(Walks):
    """Writes one kernel."""

    def head(self, kernel: Kernel) -> str:
        names = [t.name for t in (*self.program.inputs, *self.program.outputs)]
        names += [*kernel.scratch, "rows" if kernel.role != "ends" else "count"]
        constants = CONSTANTS if kernel.role != "ends" else "BLOCK: tl.constexpr"
        return f"@triton.jit\ndef {kernel.name}(\n    {', '.join(names)},\n    {constants},\n):\n"

    def scratch(self, phase: Phase) -> tuple[str, ...]:
        roots = self._roots(phase)
        totals = [f"total{i}" for i in reachable(self.program, roots) if self.values[i].op.startswith("all_")]
        return (*(f"part{t}" for t in phase.totals), *totals)

    def kernel(self, kernel: Kernel, phase: Phase) -> str:
        """Return the text of a kernel over rows."""
        self._uniforms(self._roots(phase))
        # what is read again, what is read for the last time, and what is written: how L2 should treat it
        self.put('KEEP: tl.constexpr = "evict_last" if EVICT == 1 or EVICT == 2 else ""')
        self.put('LAST: tl.constexpr = "evict_first" if EVICT == 1 else "evict_last" if EVICT == 2 else ""')
        self.put('STORE: tl.constexpr = "evict_first" if EVICT else ""')
        if kernel.role == "flat":  # neighbouring programs take neighbouring columns, so that memory is read in order
            blocks = f"(({kernel.width} + BLOCK - 1) // BLOCK)"
            self.put(f"tile, block = tl.program_id(0) // {blocks}, tl.program_id(0) % {blocks}")
        else:
            stages = ", num_stages=STAGES" if kernel.role == "rows" else ""
            self.put(f"for tile in tl.range(tl.program_id(0), tl.cdiv(rows, ROWS), tl.num_programs(0){stages}):")
            self.depth = 2
        self.put("r = tile * ROWS + tl.arange(0, ROWS)[None, :, None]")
        self.put("r = r.to(tl.int64) if WIDE else r")
        self.put("inside = None if EVEN else r < rows")
        self.put("r = r if EVEN else tl.minimum(r, rows - 1)")
        {"rows": self._whole, "looped": self._walked, "flat": self._flat}[kernel.role](phase)
        self._row_ends(phase)
        return self.head(kernel) + "\n".join(self.lines)

    def _roots(self, phase: Phase) -> list[int]:
        roots = [self.values[t].args[0] for t in phase.totals] + [s.value for s in phase.row_stores]
        for sweep in phase.sweeps:
            roots += sweep.reductions + [s.value for s in sweep.stores]
        return roots

    def _row_ends(self, phase: Phase) -> None:
        """What is stored per row, and the program's part of what is reduced over rows."""
        self._row_values([s.value for s in phase.row_stores] + [self.values[t].args[0] for t in phase.totals])
        for store in phase.row_stores:
            place = f"{self.program.outputs[store.output].name} + r"
            self.put(self.call("put", place, self.name(store.value), "inside", '""'))
        for total in phase.totals:
            self._part_of(total)

    def _part_of(self, total: int) -> None:
        value, step = self.values[total], self.values[total].op.removeprefix("all_")
        shown = f"tl.broadcast_to({self._filled(value.args[0])}, (1, ROWS, 1))"
        kept = self.call("only", "inside", shown, NEUTRAL[step, value.kind])
        if value.kind == "f" and step == "sum":
            kept = f"({kept}).to(tl.float64)"
        kept = f"tl.reshape({kept}, (1, 1, ROWS))"
        part = self.call("row_" + step, kept)
        part = f"{part}.to(tl.int32)" if value.kind == "b" else part
        self.put(f"tl.store(part{total} + tile + tl.zeros((1, 1, 1), tl.int32), {part})")

    def _filled(self, i: int) -> str:
        """A value as a tile, also where it is a plain number."""
        if self.values[i].space == UNIFORM:
            return f"tl.full((1, 1, 1), {self.name(i)}, {TYPES[self.values[i].kind]})"
        return self.name(i)

    # single numbers ------------------------------------------------------------------------------------------------

    def ends_scratch(self, phase: Phase | None, stores: list[Store]) -> tuple[str, ...]:
        own = set(phase.totals) if phase else set()
        needed = reachable(self.program, [s.value for s in stores])
        others = [f"total{i}" for i in needed if self.values[i].op.startswith("all_") and i not in own]
        return (*(f"part{t}" for t in sorted(own)), *(f"total{t}" for t in sorted(own)), *others)

    def ends(self, kernel: Kernel, phase: Phase | None, stores: list[Store]) -> str:
        """Return the text of the one program that adds up the parts of all others, in a fixed order."""
        totals = phase.totals if phase else []
        dtypes = scratch_dtypes(self.program)
        if totals:
            self.put("i = tl.arange(0, BLOCK)[None, None, :]")
        for t in totals:
            self.put(f"a{t} = tl.full((1, 1, BLOCK), {self._part_neutral(t)}, tl.{dtypes[f'part{t}']})")
        if totals:
            self.put("for start in range(0, count, BLOCK):")
        for t in totals:
            neutral = self._part_neutral(t)
            self.put(f"    p{t} = tl.load(part{t} + start + i, mask=start + i < count, other={neutral})")
            self.put(f"    a{t} = {self._part_two(t)}")
        for t in totals:
            value, step = self.values[t], self.values[t].op.removeprefix("all_")
            self.put(f"v{t} = {self.call('row_' + step, f'a{t}')}")
            shown = f"v{t}.to(tl.int32)" if value.kind == "b" else f"v{t}"
            self.put(f"tl.store(total{t} + tl.zeros((1, 1, 1), tl.int32), {shown})")
            if dtypes[f"total{t}"] == "float64":
                self.put(f"v{t} = v{t}.to(tl.float32)")
            self.known.add(t)
        self._uniforms([s.value for s in stores])
        for store in stores:
            place = f"{self.program.outputs[store.output].name} + tl.zeros((1, 1, 1), tl.int32)"
            self.put(f"tl.store({place}, {self.name(store.value)})")
        return self.head(kernel) + "\n".join(self.lines)

    def _part_neutral(self, t: int) -> str:
        value, step = self.values[t], self.values[t].op.removeprefix("all_")
        if value.kind == "b":
            return "0" if step in ("any", "max") else "1"
        return NEUTRAL[step, value.kind]

    def _part_two(self, t: int) -> str:
        value, step = self.values[t], self.values[t].op.removeprefix("all_")
        a, p = f"a{t}", f"p{t}"
        if step in ("sum", "prod"):
            return f"{a} {'+' if step == 'sum' else '*'} {p}"
        if value.kind == "b":
            return f"{a} {'|' if step in ('any', 'max') else '&'} {p}"
        return self._two(step, value.kind, a, p)
