"""The one call of PyTorch that ends in a library of the vendor, or in PyTorch's own fused kernel, where the reference
is made of several: cuBLASLt with its epilogue, F.rms_norm. Where the reference is that call, eager is this baseline.
"""

from __future__ import annotations

from ..candidate import Candidate
from ..optimize.context import Context
from . import Skipped, text_for

NAMES = ("vendor",)

_TEXTS = {
    "rms_norm": """
import torch.nn.functional as F


def rms_norm(x, weight=None, residual=None, eps=1e-6):
    h = x if residual is None else x + residual
    out = F.rms_norm(h, h.shape[-1:], weight, eps)
    return out if residual is None else (out, h)
""",
    "gemm": """
import torch
from tilewright.ops.gemm import reference


def gemm(a, b, bias=None, activation=None):
    if bias is None or activation != "relu":
        return reference(a, b, bias, activation)
    return torch._addmm_activation(bias, a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
""",
}
_SAME = "the reference of {} on {} is one call of the vendor already, which the baseline eager times"


def candidate(name: str, context: Context) -> Candidate:
    problem, workload = context.problem, context.workload
    fused = workload.params.get("bias", False) and workload.params.get("activation") == "relu"
    if problem.name == "softmax" or (problem.name == "gemm" and not fused):
        raise Skipped(_SAME.format(problem.name, workload.name))
    source = text_for(name, _TEXTS, context)
    return Candidate(name=name, source=source.lstrip(), entry=problem.name, origin="vendor")
