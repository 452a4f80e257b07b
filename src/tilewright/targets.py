"""From what a user names to what is judged: TARGET and --problem become a problem and its candidates."""

from __future__ import annotations

from dataclasses import dataclass

from . import formats, ops
from .candidate import Candidate
from .formats import InputError, MachineError
from .problem import Problem, Workload

# What runs where without help. On a CPU, Triton is checked by its interpreter, which says nothing about time; Gluon has
# none.
TIMED_ON = {"cpu": ("torch", "cpp"), "cuda": ("torch", "triton", "gluon", "cuda")}
CHECKED_ON = {"cpu": ("torch", "cpp", "triton"), "cuda": ("torch", "triton", "gluon", "cuda")}


@dataclass(frozen=True)
class Target:
    """A problem, and the candidates that a target names; none when it is a problem alone."""

    name: str
    problem: Problem
    candidates: tuple[Candidate, ...]


def resolve(target: str, problem: str | None, timeout_s: float) -> Target:
    """Return what `target` names. InputError, MachineError in one line when it cannot be read."""
    operator = formats.split_operator(target)
    if operator:
        if problem:
            raise InputError(f"{target} is an operator and brings its own problem; leave --problem out")
        name, impl = operator
        impls = [impl] if impl else formats.operator_impls(name)
        return Target(target, ops.get(name), tuple(operator_candidate(name, i) for i in impls))
    kind = formats.detect_kind(target)
    if problem:
        posed = formats.load_problem(problem, timeout_s, target)
        return Target(target, posed, formats.load_candidates(target, posed))
    posed = formats.load_problem(target, timeout_s)
    candidates = formats.load_candidates(target, posed) if kind == "both" else native_candidates(posed)
    return Target(target, posed, candidates)


def operator_candidate(name: str, impl: str) -> Candidate:
    """Return implementation `impl` of the library's operator `name` as a candidate like any other."""
    source = (
        f'"""{name} of the library, implementation {impl}."""\n\n'
        f"from tilewright import ops\n\n"
        f'{name} = ops.get("{name}").impls["{impl}"]\n'
    )
    return Candidate(name=impl, source=source, entry=name, language=_language(impl), origin="library")


def native_candidates(problem: Problem) -> tuple[Candidate, ...]:
    """Return the implementations that a native problem file brings along, its reference left out."""
    if problem.format != "native":
        return ()
    found = []
    for impl in problem.impls:
        if impl != "reference":
            source = f'{problem.source.rstrip()}\n\n\n_candidate = PROBLEM.impls["{impl}"]\n'
            found.append(Candidate(name=impl, source=source, entry="_candidate", language=_language(impl)))
    return tuple(found)


def only(target: Target, languages: tuple[str, ...], device: str, why: str) -> Target:
    """Keep the candidates in `languages`; MachineError when a single one was asked for and cannot be served."""
    kept = tuple(c for c in target.candidates if c.language in languages)
    if target.candidates and not kept:
        names = ", ".join(c.name for c in target.candidates)
        raise MachineError(
            f"{target.name}: {names} ({target.candidates[0].language}) cannot run on the {device}; {why}"
        )
    return Target(target.name, target.problem, kept)


def choose_workloads(problem: Problem, wanted: str | None, device: str) -> tuple[Workload, ...]:
    """Return the workload called `wanted`, all for "all", and else those that suit the device.

    On a CPU those are the workloads named for it ("..._cpu"), else the one with the least work; on a GPU the others.
    """
    if wanted == "all":
        return problem.workloads
    if wanted:
        try:
            return (problem.workload(wanted),)
        except KeyError as error:
            raise InputError(str(error.args[0])) from None
    named = tuple(w for w in problem.workloads if "cpu" in w.name.split("_"))
    if device != "cpu" or len(problem.workloads) == 1:
        return tuple(w for w in problem.workloads if w not in named) or problem.workloads
    return named or (min(problem.workloads, key=_size),)


def check_workloads(problem: Problem, candidate: Candidate, tier: str, device: str) -> tuple[Workload, ...]:
    """Return the workloads to judge `candidate` on; certify takes all that suit the device, the other tiers one.

    An interpreter is slow: a Triton candidate on a CPU is judged on the largest of the problem's small edges.
    """
    chosen = choose_workloads(problem, None, device)
    if device == "cpu" and candidate.language in ("triton", "gluon") and problem.edges:
        return (max(problem.edges(), key=_size),)
    return chosen if tier == "certify" else chosen[:1]


def _size(workload: Workload) -> int:
    size = 1
    for n in workload.axes.values():
        size *= max(n, 1)
    return size


def _language(impl: str) -> str:
    stem = impl.split("_")[0]
    return stem if stem in ("triton", "gluon", "cuda", "cpp") else "torch"
