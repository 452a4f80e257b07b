"""QuACK, CuTe kernels for Hopper and Blackwell."""

from __future__ import annotations

from ..candidate import Candidate
from ..optimize.context import Context
from . import Skipped, text_for

NAMES = ("quack",)
PACKAGE, INSTALL, GPU_ONLY = "quack", "pip install quack-kernels", True

_TEXTS = {
    "rms_norm": """
from quack import rmsnorm


def rms_norm(x, weight=None, residual=None, eps=1e-6):
    return rmsnorm(x, weight, residual=residual, eps=eps, prenorm=residual is not None)
""",
    "softmax": """
import quack


def softmax(x, dim=-1, dtype=None):
    return quack.softmax(x if dtype is None else x.to(dtype))
""",
    "gemm": """
from quack.gemm_interface import gemm as product


def gemm(a, b, bias=None, activation=None):
    return product(a, b, bias=bias)
""",
}


def candidate(name: str, context: Context) -> Candidate:
    params = context.workload.params
    if params.get("dim", -1) != -1 or params.get("activation") not in (None, "none"):
        raise Skipped(f"{name} takes the last axis only, and no activation here")
    source = text_for(name, _TEXTS, context)
    return Candidate(name=name, source=source.lstrip(), entry=context.problem.name, origin="quack")
