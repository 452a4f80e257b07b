"""A row program -> one C++ function: parallel loops over rows, vector sweeps over columns."""

from __future__ import annotations

from collections.abc import Iterable

from . import mathlib
from .index import Address, Term
from .ir import COLUMN, ROW, UNIFORM, Program, Store, Value
from .schedule import Phase, Plan, Sweep, plan, reachable

ENTRY = "tilewright_rows"
C_TYPES = {
    "float32": "float", "bfloat16": "bf16", "float16": "f16", "int64": "long", "int32": "int", "int16": "short",
    "int8": "signed char", "uint8": "unsigned char", "bool": "truth",
}  # fmt: skip
VECTORS = {"f": "VF", "i": "VI", "l": "VL", "b": "VI"}
SCALARS = {"f": "double", "i": "long", "l": "long", "b": "bool"}
INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "and": "&", "or": "|", "xor": "^"}
COMPARE = {"gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "==", "ne": "!="}
STEPS = {"sum": "Sum", "max": "Max", "min": "Min", "prod": "Prod", "any": "Any", "all": "All"}
PARALLEL_ELEMENTS = 65536  # below this many elements a second thread costs more than it brings


def emit(program: Program) -> tuple[str, tuple[int, ...]]:
    """Return the C++ text and the distinct values that its STASH setting may take."""
    variants: dict[str, int] = {}
    bodies = []
    for stash in (0, 1, 2):
        text = Emitter(program, plan(program, stash)).body()
        if text not in variants:
            variants[text] = stash
            bodies.append((stash, text))
    if len(bodies) == 1:
        body = bodies[0][1]
    else:
        parts = [f"#{'if' if k == 0 else 'elif'} STASH == {stash}\n{text}" for k, (stash, text) in enumerate(bodies)]
        body = "".join(parts) + "#endif\n"
    names = {v.op for v in program.values}
    arguments = [f"const {C_TYPES[t.dtype]}* {t.name}" for t in program.inputs]
    arguments += [f"{C_TYPES[t.dtype]}* {t.name}" for t in program.outputs]
    parameters = ", ".join([*arguments, "long rows", "int threads"])
    head = f'extern "C" __attribute__((visibility("default")))\nvoid {ENTRY}({parameters}) {{\n'
    text = f"{mathlib.BASE.strip()}\n\n{mathlib.functions_text(names)}\n\n{head}{body}}}\n"
    return text, tuple(stash for stash, _ in bodies)


def literal(value: Value) -> str:
    """A constant as C++ text of its scalar type, exact."""
    if value.kind == "b":
        return "true" if value.attr == "True" else "false"
    if value.kind != "f":
        return f"{value.attr}l"
    if value.attr in ("inf", "-inf"):
        return value.attr.replace("inf", "__builtin_inf()")
    return '__builtin_nan("")' if value.attr == "nan" else value.attr


def apply(value: Value, args: list[str]) -> str:
    """The text of one elementwise step on the texts of its operands, the same for vectors and scalars."""
    op = value.op
    if op in INFIX:
        return f"{args[0]} {INFIX[op]} {args[1]}"
    if op in COMPARE:
        return f"mask({args[0]} {COMPARE[op]} {args[1]})"
    if op == "where":
        return f"select({', '.join(args)})"
    if op == "neg":
        return f"-{args[0]}"
    return f"tw_{op}({', '.join(args)})"


def fraction(var: str, div: int, mod: int, bound: int) -> str:
    """(var / div) % mod, shorter where var < bound makes a part of it idle."""
    text = var if div == 1 else f"{var} / {div}"
    text = text if div * mod >= bound else f"{text} % {mod}"
    return text if text == var else f"({text})"


class Emitter:
    """Writes the body of the function for one plan."""

    def __init__(self, program: Program, plan: Plan):
        self.program, self.plan = program, plan
        self.values = program.values
        self.lines: list[str] = []
        self.uniform: set[int] = set()
        self.row_known: set[int] = set()
        self.splats: set[int] = set()
        self.places: dict[tuple[int, Address], str] = {}

    def put(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def body(self) -> str:
        for tensor in self.program.outputs:
            if not any(s.output == self.program.outputs.index(tensor) and s.length for s in self.program.stores):
                continue
            row_bytes = f"rows * {self._columns(tensor.shape)} * sizeof(*{tensor.name})"
            self.put(1, f"huge_pages({tensor.name}, {row_bytes});")
        for phase in self.plan.phases:
            self._phase(phase)
        self._uniforms([s.value for s in self.plan.final_stores])
        for store in self.plan.final_stores:
            self.put(1, f"set({self.program.outputs[store.output].name}, {self.scalar(store.value)});")
        return "\n".join(self.lines) + "\n"

    def _columns(self, shape: tuple[int, ...]) -> int:
        total = 1
        for size in shape:
            total *= size
        return total // max(self.program.rows, 1)

    # one parallel loop ---------------------------------------------------------------------------------------------

    def _phase(self, phase: Phase) -> None:
        roots = self._phase_roots(phase)
        self._uniforms(roots)
        for total in phase.totals:
            kind = self._partial_type(total)
            self.put(1, f"{kind}* part{total} = ({kind}*)__builtin_malloc(rows * sizeof({kind}));")
        work = max([s.length for s in phase.sweeps], default=1)
        self.put(1, f"#pragma omp parallel num_threads(threads) if (rows * {work} >= {PARALLEL_ELEMENTS})")
        self.put(1, "{")
        self._stash(phase)
        self.lines += ["#if CHUNK", "#pragma omp for schedule(dynamic, CHUNK)", "#else"]
        self.lines += ["#pragma omp for schedule(static)", "#endif"]
        self.put(2, "for (long r = 0; r < rows; ++r) {")
        self._row(phase)
        self.put(2, "}")
        if phase.stashed:
            self.put(2, "__builtin_free(stash_memory);")
        self.lines += ["#if STREAM && defined(__x86_64__)", '    asm volatile("sfence" ::: "memory");', "#endif"]
        self.put(1, "}")
        for total in phase.totals:
            step = STEPS[self.values[total].op.removeprefix("all_")]
            self.put(1, f"const {SCALARS[self.values[total].kind]} v{total} = over_rows<{step}>(part{total}, rows);")
            self.put(1, f"__builtin_free(part{total});")
            self.uniform.add(total)

    def _partial_type(self, total: int) -> str:
        return SCALARS[self.values[total].kind]

    def _phase_roots(self, phase: Phase) -> list[int]:
        roots = [self.values[t].args[0] for t in phase.totals] + [s.value for s in phase.row_stores]
        for sweep in phase.sweeps:
            roots += sweep.reductions + [s.value for s in sweep.stores]
        return roots

    def _stash(self, phase: Phase) -> None:
        if not phase.stashed:
            return
        width = max(self.values[i].length for i in phase.stashed)
        width = -(-width // 32) * 32
        size = len(phase.stashed) * width * 4
        self.put(2, f"void* const stash_memory = __builtin_malloc({size} + 64);")
        self.put(2, "float* const stash = (float*)(((unsigned long)stash_memory + 63) & -64ul);")
        for slot, i in enumerate(phase.stashed):
            self.put(2, f"float* const kept{i} = stash + {slot * width};")

    def _uniforms(self, roots: Iterable[int]) -> None:
        """Write the numbers that are the same for all rows, before the loop over rows."""
        for i in reachable(self.program, roots):
            value = self.values[i]
            if value.space == UNIFORM and value.op != "const" and i not in self.uniform:
                assert not value.op.startswith("all_"), "a reduction over all rows is written by its phase"
                self.put(1, f"const {SCALARS[value.kind]} v{i} = {self._scalar_text(value)};")
                self.uniform.add(i)

    # one row -------------------------------------------------------------------------------------------------------

    def _row(self, phase: Phase) -> None:
        self.row_known = set()
        self.places, self.splats = {}, set()
        for number, sweep in enumerate(phase.sweeps):
            self._sweep(sweep, number == 0)
        finals = [s.value for s in phase.row_stores] + [self.values[t].args[0] for t in phase.totals]
        self._row_values(finals)
        for store in phase.row_stores:
            self.put(3, f"set({self.program.outputs[store.output].name} + r, {self.scalar(store.value)});")
        for total in phase.totals:
            self.put(3, f"part{total}[r] = {self.scalar(self.values[total].args[0])};")

    def _row_values(self, roots: Iterable[int]) -> None:
        """Write the values per row that `roots` need and that can be had by now."""
        for i in reachable(self.program, roots):
            value = self.values[i]
            if value.space != ROW or i in self.row_known or value.op.startswith("row_"):
                continue
            if all(self.values[a].space != ROW or a in self.row_known for a in value.args):
                self.put(3, f"const {SCALARS[value.kind]} v{i} = {self._scalar_text(value)};")
                self.row_known.add(i)

    def scalar(self, i: int) -> str:
        value = self.values[i]
        return literal(value) if value.op == "const" else f"v{i}"

    def _scalar_text(self, value: Value) -> str:
        if value.op == "load":
            tensor, place = value.attr
            return f"get({self.program.inputs[tensor].name} + {self._row_offset(place)})"
        if value.op == "position":
            return self._position(value.attr, "r", self.program.rows)
        return apply(value, [self.scalar(a) for a in value.args])

    def _row_offset(self, place: Address) -> str:
        parts = [f"{fraction('r', div, mod, self.program.rows)} * {stride}l" for div, mod, stride in place.of("r")]
        return " + ".join([*parts, str(place.off)] if place.off or not parts else parts)

    def _position(self, term: Term, var: str, bound: int) -> str:
        return f"{fraction(var, term.div, term.mod, bound)} * {term.mul}l + {term.off}l"

    # one sweep -----------------------------------------------------------------------------------------------------

    def _sweep(self, sweep: Sweep, first: bool) -> None:
        inputs = {a for i in sweep.order for a in self.values[i].args if self.values[a].space != COLUMN}
        # a reduction or a store may take a value that is the same in every column
        inputs |= {s.value for s in sweep.stores if self.values[s.value].space != COLUMN}
        self._row_values(sorted(inputs))
        for i in sorted(inputs):
            self._splat(i)
        for i in sweep.order:
            self._pointer(i)
        for i in sweep.reductions:
            kind = self.values[i].kind
            step = STEPS[self.values[i].op.removeprefix("row_")]
            self.put(3, f"Reduce<{VECTORS[kind]}, {SCALARS[kind]}, {step}> reduce{i};")
        self.put(3, f"sweep<{sweep.length}>([&](long j, int u, auto part) __attribute__((always_inline)) {{")
        self.put(4, "constexpr int n = decltype(part)::value;")
        for i in sorted(sweep.reads):
            self.put(4, f"const VF v{i} = load<n>(kept{i} + j);")
        for i in sweep.order:
            self._step(i, first)
        self._results(sweep)
        folds = " ".join(f"reduce{i}.fold();" for i in sweep.reductions)
        self.put(3, f"}}, [&]() __attribute__((always_inline)) {{ {folds} }});")
        for i in sweep.reductions:
            self.put(3, f"const {SCALARS[self.values[i].kind]} v{i} = reduce{i}.result();")
            self.row_known.add(i)

    def _results(self, sweep: Sweep) -> None:
        for i in sweep.keeps:
            self.put(4, f"store<n>(kept{i} + j, v{i});")
        for i in sweep.reductions:
            self.put(4, f"reduce{i}.template add<n>(u, {self.vector(self.values[i].args[0])});")
        for store in sweep.stores:
            self._store(store)

    def _splat(self, i: int) -> None:
        value = self.values[i]
        if value.op == "const" or i in self.splats:
            return
        self.splats.add(i)
        make = {"f": "F((float)", "i": "I((int)", "l": "L(", "b": "M("}[value.kind]
        self.put(3, f"const {VECTORS[value.kind]} s{i} = {make}v{i});")

    def vector(self, i: int) -> str:
        value = self.values[i]
        if value.op == "const":
            make = {"f": "F((float)", "i": "I((int)", "l": "L(", "b": "M("}[value.kind]
            return f"{make}{literal(value)})"
        return f"v{i}" if value.space == COLUMN else f"s{i}"

    def _pointer(self, i: int) -> None:
        value = self.values[i]
        if value.op != "load" or value.attr in self.places:
            return
        tensor, place = value.attr
        name = f"p{len(self.places)}"
        self.places[value.attr] = name
        source = self.program.inputs[tensor]
        self.put(3, f"const {C_TYPES[source.dtype]}* const {name} = {source.name} + {self._row_offset(place)};")

    def _step(self, i: int, first: bool) -> None:
        value = self.values[i]
        if value.op == "load":
            text = self._load(value, first)
        elif value.op == "position":
            text = f"columns(j, [](long j) {{ return {self._position(value.attr, 'j', value.length)}; }})"
        else:
            text = apply(value, [self.vector(a) for a in value.args])
        self.put(4, f"const {VECTORS[value.kind]} v{i} = {text};")

    def _load(self, value: Value, first: bool) -> str:
        _, place = value.attr
        name = self.places[value.attr]
        columns = place.of("j")
        if len(columns) == 1 and columns[0][0] == 1 and columns[0][1] >= value.length and columns[0][2] == 1:
            if first and place.of("r"):
                self.put(4, f"prefetch({name} + j);")
            return f"load<n>({name} + j)"
        parts = [f"{fraction('c', div, mod, value.length)} * {stride}l" for div, mod, stride in columns]
        return f"gather<n>({name}, j, [](long c) {{ return {' + '.join(parts)}; }})"

    def _store(self, store: Store) -> None:
        tensor = self.program.outputs[store.output]
        width = self._columns(tensor.shape)
        start = f" + {store.start}" if store.start else ""
        self.put(4, f"put<n>({tensor.name} + r * {width}l{start} + j, {self.vector(store.value)});")
