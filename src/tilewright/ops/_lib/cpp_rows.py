"""What every row-wise C++ kernel starts with, and the way one is called on tensors.

The prelude defines `element_t` (ELEMENT: 0 float, 1 bf16, 2 fp16) with `widen` and `narrow` to and from float, and
`advise_huge`: on a CPU a large fresh output costs more in page faults than in stores, and 2 MiB pages avoid most.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import torch

from ...build.cpp import load

PRELUDE = r"""
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <omp.h>
#include <sys/mman.h>

#define ENTRY extern "C" __attribute__((visibility("default")))

#if ELEMENT == 0
typedef float element_t;
static inline float widen(element_t v) { return v; }
static inline element_t narrow(float v) { return v; }
#elif ELEMENT == 1
typedef uint16_t element_t;
static inline float widen(element_t v) {
    uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
static inline element_t narrow(float v) {  // round to nearest even; NaN stays NaN
    uint32_t bits;
    memcpy(&bits, &v, 4);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    uint32_t quiet = (bits >> 16) | 0x40u;
    return (element_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}
#else
typedef _Float16 element_t;
static inline float widen(element_t v) { return (float)v; }
static inline element_t narrow(float v) { return (element_t)v; }
#endif

static void advise_huge(void* start, int64_t bytes) {
    const uintptr_t page = (uintptr_t)2 << 20;
    const uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
    const uintptr_t last = ((uintptr_t)start + (uintptr_t)bytes) & ~(page - 1);
    if (bytes >= (4 << 20) && last > first) madvise((void*)first, last - first, MADV_HUGEPAGE);
}
"""

ELEMENTS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}


@cache
def entry(source: str, name: str, dtype: torch.dtype) -> Any:
    """Compile PRELUDE + `source` for `dtype` (once) and return its C function `name`."""
    return getattr(load(PRELUDE + source, defines={"ELEMENT": ELEMENTS[dtype]}), name)


def call(source: str, name: str, dtype: torch.dtype, *arguments: torch.Tensor | int | float | None) -> None:
    """Call C function `name`: tensors go as pointers (None as null), int as int64_t, float as float."""
    entry(source, name, dtype)(*[_as_c(a) for a in arguments])


def _as_c(value: torch.Tensor | int | float | None) -> Any:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, torch.Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_int64(value) if isinstance(value, int) else ctypes.c_float(value)
