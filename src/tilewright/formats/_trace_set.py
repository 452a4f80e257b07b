"""Data sets of FlashInfer-Bench and problem folders of SOL-ExecBench: what belongs to what, read as Problems.

A data set has definitions/, workloads/, solutions/ and traces/; a problem folder has definition.json, workload.jsonl
and solution files. The files decide which dialect is spoken: a FlashInfer-Bench workload is a trace without a result.
"""

from __future__ import annotations

import ast
import difflib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..candidate import Candidate
from ..problem import Inputs, Problem, Workload
from ..syntax import tree_of
from ._errors import InputError
from ._module import quiet, run_module
from ._probe import probe
from ._solution import candidate_of
from ._source import Source, parse_source
from ._trace import (
    Definition,
    Solution,
    Trace,
    WorkloadEntry,
    check_definition,
    check_solution,
    parse,
    read_definition,
    read_json,
    read_lines,
    resolve_axes,
)
from ._trace_files import Found, files_below, find
from ._trace_inputs import bytes_of, draw, dtype_of

if TYPE_CHECKING:
    import torch

__all__ = ["DATA", "bind", "find", "holds", "offers", "parts_of", "pose", "safe_name", "survey", "wanted_by"]

DATA = "PROBLEM_DATA"
_WORKLOAD_FILES = ("workload.jsonl", "workloads.jsonl")


def pose(found: Found, target: str, wanted: str, timeout_s: float) -> Problem:
    """Return the problem that `found` poses. `wanted` is the name of a definition, needed where there are several."""
    path = _chosen(found, target, wanted)
    definition = read_definition(path)
    entries = _entries(found, path, definition)
    if not entries:
        raise InputError(f"{path}: there is no workload for {definition.name}; add one to {_expected(found, path)}")
    return problem_of(definition, entries, found.dialect, str(found.root), str(path), timeout_s)


def _chosen(found: Found, target: str, wanted: str) -> Path:
    names = {p.stem if p.name != "definition.json" else p.parent.name: p for p in found.definitions}
    if wanted and wanted not in names and len(names) > 1:
        close = difflib.get_close_matches(wanted, list(names), n=3)
        raise InputError(f"{target} has no definition {wanted}" + (f"; did you mean {close[0]}?" if close else ""))
    if wanted in names:
        return names[wanted]
    if not names:
        raise InputError(f"{target} has no definition beside it; name the definition or data set with --problem")
    if len(names) > 1:
        first = found.definitions[0]
        raise InputError(f"{target} has {len(names)} definitions; name the file of one of them, such as {first}")
    return found.definitions[0]


def _expected(found: Found, path: Path) -> Path:
    beside = path.with_name(_WORKLOAD_FILES[0])
    return beside if found.dialect == "sol" else found.root / "workloads" / f"{path.stem}.jsonl"


def _entries(found: Found, path: Path, definition: Definition) -> list[WorkloadEntry]:
    """Return the workloads of `definition`, wherever the dialect keeps them; one without variable axes needs none."""
    beside = [path.with_name(n) for n in _WORKLOAD_FILES] + [path.with_suffix(".jsonl")]
    files = [p for p in beside if p.is_file()]
    if (found.root / "workloads").is_dir():
        files += [p for p in files_below(found.root / "workloads", ".jsonl") if p.stem == definition.name]
    entries = []
    for file in dict.fromkeys(files):
        for number, data in enumerate(read_lines(file), 1):
            entry = workload_entry(data, f"{file} line {number}", definition.name)
            if entry is not None:
                entries.append(entry)
    if not entries and not any(a.type == "var" for a in definition.axes.values()):
        inputs: dict[str, Any] = {n: {"type": "random"} for n, s in definition.inputs.items() if s.shape is not None}
        if len(inputs) == len(definition.inputs):
            entries.append(parse(WorkloadEntry, {"uuid": "declared", "axes": {}, "inputs": inputs}, str(path)))
    return entries


def workload_entry(data: Any, path: str, name: str) -> WorkloadEntry | None:
    """Return the workload on one line, bare or inside a trace; None when it is of another definition."""
    if isinstance(data, dict) and "workload" in data:
        trace = parse(Trace, data, path)
        return trace.workload if trace.definition == name else None
    return parse(WorkloadEntry, data, path)


def problem_of(
    definition: Definition, entries: list[WorkloadEntry], dialect: str, root: str, path: str, timeout_s: float
) -> Problem:
    """Return the problem, its callables bound, after a probe has run its smallest workload in a process of its own."""
    if len({e.uuid for e in entries}) < len(entries):
        raise InputError(f"{path}: two workloads of {definition.name} have one uuid")
    reads_files = any(d.type == "safetensors" for e in entries for d in e.inputs.values())
    data = {
        "definition": {k: v for k, v in definition.dump().items() if k != "reference"},
        "workloads": [e.dump() for e in entries],
        "root": root if reads_files else "",
        "end": definition.reference[len(definition.reference.rstrip()) :],
    }
    text = f"{definition.reference.rstrip()}\n{_wrapper(definition)}\n\n{DATA} = {data!r}\n"
    source = parse_source(text, path)
    if source.syntax_error:
        raise InputError(f"{path}: its reference is not valid Python: {source.syntax_error}")
    problem = Problem(
        name=safe_name(definition.name),
        kind="function",
        format=dialect,
        source=text,
        workloads=tuple(_workloads(definition, entries, path)),
        outputs=tuple(definition.outputs),
    )
    probe(source, dialect, timeout_s)
    return bind(problem, source)


def safe_name(name: str) -> str:
    """A name that is also fit for a folder and a function."""
    name = re.sub(r"\W+", "_", name).strip("_")[:100] or "problem"
    return f"p{name}" if name[0].isdigit() else name


def _wrapper(definition: Definition) -> str:
    """Text that makes `run` take the inputs by position and return the outputs in order, where it does not yet."""
    tree = tree_of(definition.reference)
    run = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "run")
    taken = [a.arg for a in (*run.args.posonlyargs, *run.args.args, *run.args.kwonlyargs)]
    names = list(definition.inputs)
    by_name = sorted(taken) == sorted(names) and (taken != names or bool(run.args.kwonlyargs))
    if len(definition.outputs) == 1 and not by_name:
        return ""
    given = ", ".join(f"{n}={n}" for n in names) if by_name else ", ".join(names)
    picked = ", ".join(f"result[{name!r}]" for name in definition.outputs)
    return (
        f"\n\n_run = run\n\n\ndef run({', '.join(names)}):\n    result = _run({given})\n"
        f"    return ({picked},) if isinstance(result, dict) else result\n"
    )


def _workloads(definition: Definition, entries: list[WorkloadEntry], path: str) -> Iterator[Workload]:
    floats = [s for s in (*definition.inputs.values(), *definition.outputs.values()) if "float" in s.dtype]
    names: dict[str, int] = {}
    for entry in entries:
        sizes = resolve_axes(definition, entry.axes, f"{path}, workload {entry.uuid}")
        variable = [f"{a}{n}" for a, n in sizes.items() if definition.axes[a].type == "var"]
        name = "_".join(variable) or "declared"
        names[name] = names.get(name, 0) + 1
        heaviest = max(floats, key=lambda s: bytes_of(s, sizes), default=None)
        dtype = str(dtype_of(heaviest)).removeprefix("torch.") if heaviest else "int64"
        name += f"-{names[name]}" if names[name] > 1 else ""
        yield Workload(name=name, axes=sizes, dtype=dtype, params={"uuid": entry.uuid}, source=entry.uuid)


def parts_of(problem: Problem) -> tuple[Definition, list[WorkloadEntry], str]:
    """Return the definition, the workloads and the data set's folder that `problem` was made of."""
    source = parse_source(problem.source, problem.name)
    data = source.literal(DATA)
    reference = problem.source[: problem.source.rindex(f"{DATA} = ")]
    reference = reference.split("\n\n_run = run\n", 1)[0].rstrip() + data.get("end", "")
    definition = parse(Definition, {**data["definition"], "reference": reference}, problem.name)
    return definition, [parse(WorkloadEntry, e, problem.name) for e in data["workloads"]], data["root"]


def bind(problem: Problem, source: Source) -> Problem:
    """Return `problem` with its callables bound from its text; nothing is probed."""
    data = source.literal(DATA) or {}
    definition = parse(Definition, {**data.get("definition", {}), "reference": source.text}, source.path)
    check_definition(definition, source.path)
    entries = {e["uuid"]: parse(WorkloadEntry, e, source.path) for e in data.get("workloads", ())}
    module = run_module(source)

    def custom(given: dict[str, Any]) -> Any:
        import torch

        make = getattr(module, definition.custom_inputs_entrypoint or "", None)
        if not callable(make):
            raise InputError(f"{source.path} defines no function {definition.custom_inputs_entrypoint}")
        return make(given, torch.device("cpu"))

    def inputs(workload: Workload, generator: torch.Generator) -> Inputs:
        import torch

        from .kernelbench import seeded, written

        entry = entries[str(workload.params["uuid"])]
        seed = int(torch.randint(0, 2**62, (), generator=generator))
        with quiet(source, "draw"), seeded(seed), written():
            found = draw(definition, entry, workload.axes, data.get("root", ""), generator, custom)
        return Inputs(args=found)

    return problem.with_(reference=module.run, inputs=inputs)


def survey(source: Source, stage: Any, attempt: Any) -> dict[str, Any]:
    """In the probe's process: draw the smallest workload and run the reference on it."""
    data = source.literal(DATA)
    definition = parse(Definition, {**data["definition"], "reference": source.text}, source.path)
    entries = [parse(WorkloadEntry, e, source.path) for e in data["workloads"]]
    stage("import")
    workloads = tuple(_workloads(definition, entries, source.path))
    problem = bind(Problem(name=definition.name, workloads=workloads), source)

    def weight(workload: Workload) -> int:
        return sum(bytes_of(s, workload.axes) for s in (*definition.inputs.values(), *definition.outputs.values()))

    smallest = min(problem.workloads, key=weight)
    stage("draw")
    call = problem.make_inputs(smallest, 0)
    stage("reference")
    return attempt(lambda: problem.run(call))


def holds(found: Found) -> str:
    """Say whether a path holds a problem, a candidate, or both."""
    if found.solution:
        return "both" if found.definitions else "candidate"
    return "both" if len(found.definitions) == 1 and next(_solution_files(found), None) else "problem"


def wanted_by(path: Path) -> str:
    """The name of the definition that the solution in the file `path` is of; "" when it is no solution."""
    if path.suffix != ".json" or not path.is_file():
        return ""
    data = read_json(path)
    name = data.get("definition") if isinstance(data, dict) and "sources" in data else None
    return name if isinstance(name, str) else ""


def offers(found: Found, problem: Problem) -> tuple[Candidate, ...]:
    """Return the solutions at `found` as candidates for `problem`, which must be of their definition."""
    definition, _, _ = parts_of(problem)
    files = [found.solution] if found.solution else list(_solution_files(found))
    candidates = []
    for file in files:
        solution = parse(Solution, read_json(file), str(file))
        if found.solution and safe_name(solution.definition) != problem.name:
            raise InputError(f"{file} is a solution of {solution.definition}, and the problem is {definition.name}")
        if safe_name(solution.definition) != problem.name:
            continue
        try:
            check_solution(solution, str(file))
            candidates.append(candidate_of(solution, definition, tuple(definition.outputs), str(file)))
        except InputError as error:  # one of many that cannot be run is left out, the one that was named is not
            if found.solution:
                raise
            logging.getLogger("tilewright").warning("left out: %s", error)
    return tuple(candidates)


def _solution_files(found: Found) -> Iterator[Path]:
    if (found.root / "solutions").is_dir():
        yield from files_below(found.root / "solutions", ".json")
    yield from sorted(found.root.glob("solution*.json"))
