"""Which implementation runs: the caller's choice, or the default of the device. An explicit choice never falls back."""

from __future__ import annotations

import torch

from ...build.cpp import CompileError, find_compiler
from ...build.triton import capture_target, interpreting


def _has_compiler() -> bool:
    try:
        find_compiler()
    except CompileError:
        return False
    return True


# Fixed at import, so that the choice below is a constant to torch.compile.
HAS_COMPILER = _has_compiler()
CPP_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
TRITON_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def choose_impl(op: str, impl: str | None, x: torch.Tensor, offered: tuple[str, ...]) -> str:
    """Return the implementation to run on `x`: `impl` itself, or the default for the device and dtype.

    The default is "triton" on a GPU and "cpp" on a CPU with a C++ compiler, where `op` offers it for the dtype, else
    "reference". ValueError names what is offered when `impl` is none of it, or cannot run on `x`.
    """
    kind = x.device.type
    if impl is None:
        if kind == "cuda" and "triton" in offered and x.dtype in TRITON_DTYPES:
            return "triton"
        if kind == "cpu" and "cpp" in offered and HAS_COMPILER and x.dtype in CPP_DTYPES:
            return "cpp"
        return "reference"
    if impl not in offered:
        raise ValueError(f"{op}: impl={impl!r} does not exist; choose one of {', '.join(offered)}")
    if impl == "cpp" and kind != "cpu":
        raise ValueError(f"{op}: impl='cpp' runs on the CPU, and the input is on {x.device}")
    if impl == "cuda" and (kind != "cuda" or torch.version.hip):
        raise ValueError(f"{op}: impl='cuda' runs on an NVIDIA GPU, and the input is on {x.device}")
    if impl in ("cpp", "triton", "cuda") and x.dtype not in TRITON_DTYPES:
        raise ValueError(f"{op}: impl={impl!r} takes float32, bfloat16 or float16, not {x.dtype}; use impl='reference'")
    return impl


def require_triton(op: str, x: torch.Tensor) -> None:
    """Refuse to launch a compiled Triton kernel on CPU memory; ValueError says how it can run there."""
    if x.device.type == "cpu" and not interpreting() and capture_target() is None:
        raise ValueError(f"{op}: impl='triton' needs a GPU; on a CPU start the process with TRITON_INTERPRET=1")
