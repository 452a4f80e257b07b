"""The reference under torch.compile, in its default mode and in the mode that tunes most: what a kernel has to beat.

The whole graph is compiled for the shapes at hand, and the candidate carries `proof()`, which says from Dynamo's own
counters that it did compile: a reference that falls back to eager is no baseline.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...candidate import Candidate
from ..context import Context
from .eager import reference_source

STAGE = "baseline"
RANK = 1
# Below this budget (seconds) there is no time to compile twice.
BOTH_FROM_S = 40.0
# CUDA graphs hand out the same buffers at each call, which the judge rightly calls aliased outputs.
MODES = {"torch.compile": "default", "torch.compile max-autotune": "max-autotune-no-cudagraphs"}

# More shapes than any problem has; a judge alone calls a candidate with dozens.
RECOMPILE_LIMIT = 1 << 16

_PROOF = f'''

import torch._dynamo

torch._dynamo.config.recompile_limit = {RECOMPILE_LIMIT}
torch._dynamo.config.accumulated_recompile_limit = {RECOMPILE_LIMIT}


def proof():
    """Return Dynamo's counts of compiled graphs and of graph breaks, and how many shapes it may compile for."""
    from torch._dynamo import config
    from torch._dynamo.utils import counters

    graphs, breaks = counters["stats"]["unique_graphs"], sum(counters["graph_break"].values())
    limit = min(config.recompile_limit, config.accumulated_recompile_limit)
    return {{"unique_graphs": graphs, "graph_breaks": breaks, "recompile_limit": limit}}
'''

_MODULE = """

import torch


class ModelNew(Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.compiled_forward = torch.compile(super().forward, mode=%r, fullgraph=True, dynamic=False)

    def forward(self, *args):
        return self.compiled_forward(*args)
"""

_FUNCTION = """

import torch

compiled = torch.compile(%s, mode=%r, fullgraph=True, dynamic=False)
"""


def propose(context: Context) -> Iterable[Candidate]:
    # Both modes take a while, so a small budget has time for one.
    return compiled(context, tuple(MODES) if context.budget_s >= BOTH_FROM_S else ("torch.compile",))


def compiled(context: Context, names: Iterable[str]) -> Iterable[Candidate]:
    """Yield the reference under torch.compile in the modes called `names` (keys of MODES)."""
    source, entry = reference_source(context.problem)
    for name in names:
        mode = MODES[name]
        if context.problem.kind == "module":
            text, called = source + _MODULE % mode, "ModelNew"
        else:
            text, called = source + _FUNCTION % (entry, mode), "compiled"
        yield Candidate(name=name, source=text + _PROOF, entry=called, kind=context.problem.kind, origin="compiled")


def fell_back(proof: object) -> str:
    """Say how a compiled baseline ran eagerly after all, by what its `proof()` gave; "" if it did compile."""
    if not isinstance(proof, dict):
        return "it gave no proof that torch.compile compiled it"
    graphs, breaks = proof.get("unique_graphs", 0), proof.get("graph_breaks", 0)
    if not graphs or breaks:
        return f"torch.compile fell back to eager: {graphs} graphs compiled, {breaks} graph breaks"
    if proof.get("recompile_limit", 0) <= graphs:
        return f"torch.compile fell back to eager: {graphs} graphs, and no more than that are compiled"
    return ""
