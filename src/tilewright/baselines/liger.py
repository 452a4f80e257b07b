"""Liger-Kernel, Triton kernels for training language models."""

from __future__ import annotations

from ..candidate import Candidate
from ..optimize.context import Context
from . import Skipped, text_for

NAMES = ("liger",)
PACKAGE, INSTALL, GPU_ONLY = "liger_kernel", "pip install liger-kernel", True

# "gemma" rounds once, after the product with the weight, as the reference here does; "llama" rounds before it, too.
_TEXTS = {
    "rms_norm": """
from liger_kernel.transformers.functional import liger_fused_add_rms_norm, liger_rms_norm


def rms_norm(x, weight=None, residual=None, eps=1e-6):
    if residual is None:
        return liger_rms_norm(x, weight, eps, 0.0, "gemma", False)
    return liger_fused_add_rms_norm(x, residual, weight, eps, 0.0, "gemma", False)
""",
    "softmax": """
from liger_kernel.transformers.functional import liger_softmax


def softmax(x, dim=-1, dtype=None):
    return liger_softmax(x if dtype is None else x.to(dtype))
""",
}


def candidate(name: str, context: Context) -> Candidate:
    params = context.workload.params
    if params.get("dim", -1) != -1 or not params.get("weight", True):
        raise Skipped(f"{name} normalises the last axis only, and with a weight")
    source = text_for(name, _TEXTS, context)
    return Candidate(name=name, source=source.lstrip(), entry=context.problem.name, origin="liger")
