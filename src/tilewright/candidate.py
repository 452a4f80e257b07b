"""One way to compute a problem: source text, language, entry; and the words for what may become of it.

A candidate is one Python file (`source`) that defines `entry`: a function with the reference's signature, or a class
`ModelNew`. Tuned settings are baked into that file, in a literal `PARAMS = {...}` at module level, so that the text
that was verified and timed is the very text that ships. A C++ or CUDA candidate keeps its kernel in a literal
`SOURCE = r'''...'''` of the same file.
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import JsonValue

from .problem import Space
from .schema import Noun, content_digest
from .syntax import tree_of


class Status(StrEnum):
    """The verdicts. INFRA_ERROR is ours, is retried, and never counts against a candidate."""

    PASSED = "PASSED"
    INCORRECT_SHAPE = "INCORRECT_SHAPE"
    INCORRECT_DTYPE = "INCORRECT_DTYPE"
    INCORRECT_NUMERICAL = "INCORRECT_NUMERICAL"
    NONFINITE = "NONFINITE"
    MUTATED_INPUT = "MUTATED_INPUT"
    ALIASED_OUTPUT = "ALIASED_OUTPUT"
    OUT_OF_BOUNDS = "OUT_OF_BOUNDS"
    NONDETERMINISTIC = "NONDETERMINISTIC"
    BOUND_VIOLATION = "BOUND_VIOLATION"
    TIMING_INCONSISTENT = "TIMING_INCONSISTENT"
    REWARD_HACK = "REWARD_HACK"
    INVALID_REFERENCE = "INVALID_REFERENCE"
    WEAK_PROBLEM = "WEAK_PROBLEM"
    COMPILE_ERROR = "COMPILE_ERROR"
    COMPILE_TIMEOUT = "COMPILE_TIMEOUT"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    RESOURCE = "RESOURCE"
    TIMEOUT = "TIMEOUT"
    UNSTABLE = "UNSTABLE"
    INFRA_ERROR = "INFRA_ERROR"


class CandidateError(Exception):
    """A candidate earned a status other than PASSED. `status` is the verdict, the message one line for the user."""

    def __init__(self, status: Status, detail: str):
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Candidate(Noun):
    """One way to compute a problem. `origin` says who proposed it ("eager", "rowwise", "user"), `parents` are digests
    of the candidates it was made from, `params` repeats the settings baked into `source`, and `space` says what else
    they could be. Identity (`digest`) is what runs: source, entry, kind and language, and nothing else."""

    name: str
    source: str
    entry: str
    language: str = "torch"
    kind: Literal["function", "module"] = "function"
    params: dict[str, JsonValue] = {}
    space: Space = Space()
    origin: str = "user"
    parents: tuple[str, ...] = ()

    @property
    def digest(self) -> str:  # type: ignore[override]
        return content_digest("candidate", self.source, self.entry, self.kind, self.language)

    def with_params(self, params: Mapping[str, JsonValue]) -> Candidate:
        """Return the candidate with `params` written into its `PARAMS` literal; ValueError if it has none."""
        merged = {**self.params, **params}
        changes: dict[str, Any] = {"params": merged, "source": rewrite_params(self.source, merged)}
        return self.with_(**changes, parents=(*self.parents, self.digest))


def rewrite_params(source: str, params: Mapping[str, JsonValue]) -> str:
    """Return `source` with the literal of its module-level `PARAMS = {...}` replaced; everything else is kept."""
    node = _assigned(source).get("PARAMS")
    if node is None:
        raise ValueError("the candidate has no module-level PARAMS = {...} to write settings into")
    return _with_text(source, node, repr(dict(params)))


def _with_text(source: str, node: ast.expr, text: str) -> str:
    """Return `source` with `text` in the place of `node`, whose columns count bytes of UTF-8."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0, *itertools.accumulate(map(len, lines))]
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    begin = starts[node.lineno - 1] + node.col_offset
    end = starts[node.end_lineno - 1] + node.end_col_offset
    raw = source.encode()
    return (raw[:begin] + text.encode() + raw[end:]).decode()


def literal(source: str, name: str) -> Any:
    """Return the value of the module-level literal `name` of `source`, read without running it; None if absent."""
    node = _assigned(source).get(name)
    return None if node is None else ast.literal_eval(node)


@functools.lru_cache(maxsize=64)
def _assigned(source: str) -> dict[str, ast.expr]:
    """What `source` assigns to single names at module level, the first time each."""
    found: dict[str, ast.expr] = {}
    for node in tree_of(source).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, node.value)
    return found
