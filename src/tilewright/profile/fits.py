"""Which operator of the library could stand in for an operator of torch or a module. It is a hint by name: whether it
is faster at these shapes is for `tilewright bench` to say.

The library's operators have torch's names where there is one, so most fits follow from the names alone, and a new
operator is found without a change here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .. import ops

# Names of torch that a library operator of another name stands in for.
_STANDS_FOR = {"gemm": ("linear", "addmm", "mm", "matmul")}
# In front of the name of an operator, these words make another one of it: LogSoftmax is no softmax.
_OTHER_MATHEMATICS = {"log", "gated", "ada", "adaptive", "conditional"}
_PREFIXES = ("fused_", "native_", "cudnn_", "safe_", "special_")


def operator_for(name: str, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[str]) -> str:
    """Return the library operator for torch's operator `name` ("aten::softmax.int") on such tensors, "" for none. A
    backward operator has none of its own: it comes with the forward one. Only floating inputs are computed with."""
    stem = name.partition("::")[2].partition(".")[0].strip("_")
    for prefix in _PREFIXES:
        stem = stem.removeprefix(prefix)
    batched = stem == "matmul" and len(shapes) > 1 and len(shapes[1]) > 2
    floating = any(d.startswith(("float", "bfloat")) for d in dtypes)
    return _named(stem) if floating and not batched else ""


def module_for(kind: str) -> str:
    """Return the library operator for a module of class `kind`: LlamaRMSNorm -> rms_norm, Linear -> gemm; or ""."""
    words = snake_case(kind).split("_")
    ends = ("_".join(words[at:]) for at in range(len(words)) if not _OTHER_MATHEMATICS & set(words[:at]))
    return next((found for found in map(_named, ends) if found), "")


def snake_case(kind: str) -> str:
    """LlamaRMSNorm -> llama_rms_norm."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower()


def _named(stem: str) -> str:
    if stem in ops.names():
        return stem
    return next((op for op, others in _STANDS_FOR.items() if stem in others and op in ops.names()), "")
