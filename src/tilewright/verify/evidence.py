"""The evidence for a verdict, as a person reads it: what was tried, how close it came, and how to see it again."""

from __future__ import annotations

from ..candidate import Status
from ..schema import Noun
from .verdict import ErrorMap, RuleCheck, Verdict, WorkloadVerdict

DETERMINISM_RUNS = 3


class Evidence(Noun):
    """What a verdict rests on. `calls` were judged, on `families` of inputs; those without room are in `skipped`, with
    the reason. The worst of them is described by `workload`, `family`, `output`, `rule`, `where`, `error` and `allowed`
    (in the output's units, relative where the rule is about a signed error); `rules` has every rule on that output with
    the derivation of its limit, and `map` where it is wrong. `determinism` and `memory` say what was looked at and
    found, `gradients` what came of those that nobody asked for, `seed` replays everything."""

    calls: int
    families: tuple[str, ...]
    skipped: dict[str, str] = {}
    workload: str = ""
    family: str = ""
    output: str = ""
    rule: str = ""
    where: str = ""
    error: float | None = None
    allowed: float | None = None
    rules: tuple[RuleCheck, ...] = ()
    map: ErrorMap | None = None
    determinism: str = ""
    gradients: str = ""
    memory: tuple[str, ...] = ()
    sandbox: str = ""
    seed: int | None = None


def evidence_of(verdict: Verdict) -> Evidence:
    """Gather what `verdict` rests on."""
    judged = [w for w in verdict.workloads if not w.skipped]
    worst = max(judged, key=_distance, default=None)
    found = Evidence(
        calls=len(judged),
        families=tuple(dict.fromkeys(w.family for w in judged)),
        skipped={f"{w.name}, {w.family}": w.skipped for w in verdict.workloads if w.skipped},
        determinism=_determinism(verdict),
        gradients=str(verdict.facts.get("gradients", "")),
        memory=tuple(_memory(verdict, judged)),
        sandbox=verdict.sandbox,
        seed=verdict.seeds[0] if verdict.seeds else None,
    )
    if worst is None:
        return found
    check = max(worst.checks, key=lambda c: c.error / c.allowed if c.allowed else c.error, default=None)
    about = {"workload": worst.name, "family": worst.family, "output": worst.output, "rule": worst.rule}
    if check is not None:
        about |= {"where": check.where, "output": check.output, "rule": check.rule}
        found = found.with_(error=check.error, allowed=check.allowed)
    elif worst.rule:
        found = found.with_(error=worst.error, allowed=worst.allowed)
    return found.with_(**about, rules=worst.checks, map=worst.map)


def _distance(entry: WorkloadVerdict) -> tuple[bool, bool, float]:
    """Faults first, and among them those with a place; then by how near the limit the call came."""
    wrong = entry.status is not Status.PASSED
    return wrong, wrong and entry.map is not None, max(entry.margins.values(), default=0.0)


def _determinism(verdict: Verdict) -> str:
    known = verdict.facts.get("determinism")
    if known == "random":
        return "draws differ from call to call, as the problem says"
    if known is None:
        return "not looked at: certify does, once everything else has passed"
    words = {"bitwise": "the same bits", "varies": "results that vary"}
    return f"{known}: {words.get(str(known), '')} in {DETERMINISM_RUNS} runs of the same call"


def _memory(verdict: Verdict, judged: list[WorkloadVerdict]) -> list[str]:
    """What was looked for in memory, and what was found."""
    outside = [w for w in judged if w.status is Status.OUT_OF_BOUNDS]
    changed = [w for w in judged if w.status is Status.MUTATED_INPUT]
    poisoned = sum(w.poisoned for w in judged)
    lines = [f"guard bands around every input: {_held(len(judged), len(outside), 'written over')}"]
    lines.append(f"inputs compared bit by bit: {_held(len(judged), len(changed), 'changed')}")
    kept = [w for w in judged if w.status is Status.ALIASED_OUTPUT]
    lines.append(f"results compared again after later calls: {_held(len(judged), len(kept), 'shared or changed')}")
    if poisoned:
        lines.append(f"fresh memory filled with NaN before {poisoned} of {len(judged)} calls")
    sanitizer = verdict.facts.get("sanitizer")
    lines += [f"AddressSanitizer: {sanitizer}"] if sanitizer else []
    on_gpu = verdict.facts.get("compute_sanitizer")
    return [*lines, f"compute-sanitizer: {on_gpu}"] if on_gpu else lines


def _held(calls: int, bad: int, what: str) -> str:
    if not calls:
        return "not reached"
    return f"{what} in {bad} of {calls} calls" if bad else f"intact after {calls} call{'s' * (calls > 1)}"
