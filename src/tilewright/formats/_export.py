"""A candidate in the format of another project: the files to write, by their path in a folder.

Where the problem is of that format already, its own definition and unknown fields are written back. Else the problem is
written too, as far as the other format can say it.
"""

from __future__ import annotations

import json
from typing import Any

from ..candidate import Candidate
from ..problem import Problem
from ._described import Described, described
from ._errors import InputError
from ._trace import Definition, WorkloadEntry, resolve_axes
from ._trace_set import parts_of, safe_name

_LANGUAGES = {
    "flashinfer": {"torch": "python", "triton": "triton", "gluon": "triton", "cuda": "python", "cpp": "python"},
    "sol": {"torch": "pytorch", "triton": "triton", "gluon": "triton", "cuda": "pytorch", "cpp": "pytorch"},
}
# The other dialect's words for a language, where it has one.
_TRANSLATED = {
    "flashinfer": {
        "pytorch": "python",
        "triton": "triton",
        "cuda_cpp": "cuda",
        "cute_dsl": "python",
        "cutile": "python",
    },
    "sol": {"python": "pytorch", "triton": "triton", "cuda": "cuda_cpp", "cpp": "cuda_cpp", "tilelang": "pytorch"},
}
_HARDWARE = {"flashinfer": ["cpu", "cuda"], "sol": ["LOCAL"]}
AUTHOR = "tilewright"


def trace_files(candidate: Candidate, problem: Problem, dialect: str) -> dict[str, str]:
    """Return definition, workloads and solution of `candidate` in `dialect`, "flashinfer" or "sol"."""
    if problem.format in ("flashinfer", "sol"):
        definition, entries, _ = parts_of(problem)
        text = candidate.source
        names = list(definition.inputs)
    else:
        known = described(problem)
        definition, entries = _definition(known), _entries(known)
        text, names = known.candidate_text(candidate), []
    data, lines = _in_dialect(definition, entries, dialect)
    solution = _solution(candidate, definition, text, names, dialect)
    if dialect == "sol":
        return {
            "definition.json": _json(data),
            "workload.jsonl": "".join(json.dumps(line) + "\n" for line in lines),
            "solution.json": _json(solution),
        }
    kind, name = safe_name(str(data["op_type"])), safe_name(definition.name)
    return {
        f"definitions/{kind}/{name}.json": _json(data),
        f"workloads/{kind}/{name}.jsonl": "".join(json.dumps(line) + "\n" for line in lines),
        f"solutions/{kind}/{name}/{safe_name(str(solution['name']))}.json": _json(solution),
    }


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _in_dialect(
    definition: Definition, entries: list[WorkloadEntry], dialect: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the definition and one line per workload in the words of `dialect`."""
    data, lines = definition.dump(), [e.dump() for e in entries]
    if dialect == "sol":
        return data, lines
    if definition.custom_inputs_entrypoint:
        raise InputError(f"{definition.name} makes its inputs by a function, which FlashInfer-Bench files cannot say")
    computed = [n for n, a in definition.axes.items() if a.type == "expr"]
    for line, entry in zip(lines, entries, strict=True):
        sizes = resolve_axes(definition, entry.axes, definition.name)
        line["axes"] = {**line["axes"], **{n: sizes[n] for n in computed}}
    for name in computed:
        data["axes"][name] = {"type": "var", "description": f"{data['axes'][name]['expression']}"}
    data["op_type"] = data.get("op_type") or "other"
    wrapped = [
        {"definition": definition.name, "workload": line, "solution": None, "evaluation": None} for line in lines
    ]
    return data, wrapped


def _solution(
    candidate: Candidate, definition: Definition, text: str, names: list[str], dialect: str
) -> dict[str, Any]:
    """Return the solution that `candidate` was read from, or a new one of one file around its text."""
    kept = (candidate.model_extra or {}).get("solution")
    if kept and kept["text"] == candidate.source:
        return _translated(kept["solution"], dialect)
    if names and candidate.kind == "module":
        raise InputError(f"{candidate.name} is a class, and {definition.name} is computed by a function of its inputs")
    entry = candidate.entry if names else "run"
    language = _LANGUAGES[dialect].get(candidate.language, _LANGUAGES[dialect]["torch"])
    spec: dict[str, Any] = {"languages": [language]} if dialect == "sol" else {"language": language}
    spec |= {
        "target_hardware": _HARDWARE[dialect],
        "entry_point": f"main.py::{entry}",
        "dependencies": [],
        "destination_passing_style": False,
    }
    made = {
        "name": f"{safe_name(candidate.name)}_{candidate.digest[:8]}",
        "definition": definition.name,
        "author": AUTHOR,
        "spec": spec,
        "sources": [{"path": "main.py", "content": text}],
    }
    return {**_translated(kept["solution"], dialect), **made} if kept else made


def _translated(solution: dict[str, Any], dialect: str) -> dict[str, Any]:
    """Return `solution` with the languages named as `dialect` names them; all else is kept."""
    spec = dict(solution["spec"])
    if dialect == "sol" and "languages" not in spec:
        language = str(spec.pop("language", "python"))
        spec = {"languages": [_TRANSLATED["sol"].get(language, "pytorch")], **spec, "target_hardware": ["LOCAL"]}
    elif dialect == "flashinfer" and "language" not in spec:
        first = next(iter(spec.pop("languages", ())), "pytorch")
        spec = {"language": _TRANSLATED["flashinfer"].get(str(first), "cuda"), **spec}
    return {**solution, "spec": spec}


def _definition(known: Described) -> Definition:
    axes = {
        name: {"type": "const", "value": size} if isinstance(size, int) else {"type": "var"}
        for name, size in known.axes.items()
    }
    return Definition.model_validate(
        {
            "name": safe_name(known.problem.name),
            "op_type": "other",
            "axes": axes,
            "inputs": {n: {"shape": None if s is None else list(s), "dtype": d} for n, (s, d) in known.inputs.items()},
            "outputs": {n: {"shape": list(s), "dtype": d} for n, (s, d) in known.outputs.items()},
            "reference": known.reference_text(),
        }
    )


def _entries(known: Described) -> list[WorkloadEntry]:
    entries = []
    for index, workload in enumerate(known.workloads):
        sizes = {n: s[index] for n, s in known.axes.items() if isinstance(s, tuple)}
        inputs: dict[str, Any] = {n: {"type": "random"} for n in known.inputs}
        inputs |= {n: {"type": "scalar", "value": column[index]} for n, column in known.scalars.items()}
        entries.append(WorkloadEntry.model_validate({"uuid": workload.name, "axes": sizes, "inputs": inputs}))
    return entries
