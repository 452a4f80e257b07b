"""What every row-wise C++ kernel starts with, and the way one is called on tensors.

The prelude defines `element_t` (ELEMENT: 0 float, 1 bf16, 2 fp16) with `widen` and `narrow` to and from float, and
`advise_huge`, which asks for 2 MiB pages under a large output. Programs give freed memory back by default, so that
every such output is fresh, and 4 KiB pages cost more in faults than in stores: a scaling of 32 MB took 24 ms without
and 10 ms with it on two cores. Where freed memory is kept, as in every timing of ours (heap.py), it changes nothing.
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
// fp16 by integer arithmetic, which compilers vectorise, as they do not the conversions of _Float16.
typedef uint16_t element_t;
static inline float widen(element_t v) {
    const uint32_t magnitude = (uint32_t)(v & 0x7fff) << 13;
    float f;
    memcpy(&f, &magnitude, 4);
    f *= 5.192296858534828e33f;  // 2^112 moves the exponent's bias, and makes subnormals normal
    uint32_t bits;
    memcpy(&bits, &f, 4);
    bits = magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : bits;  // infinity and NaN
    bits |= (uint32_t)(v & 0x8000) << 16;
    memcpy(&f, &bits, 4);
    return f;
}
static inline element_t narrow(float v) {  // round to nearest even
    uint32_t bits;
    memcpy(&bits, &v, 4);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    bits &= 0x7fffffffu;
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    const float shifted = magnitude + 0.5f;  // below 2^-14 the sum's last bit is fp16's last subnormal bit
    uint32_t subnormal;
    memcpy(&subnormal, &shifted, 4);
    subnormal -= 0x3f000000u;
    const uint32_t normal = (bits - 0x38000000u + 0xfffu + ((bits >> 13) & 1u)) >> 13;
    const uint32_t huge = bits > 0x7f800000u ? 0x7e00u : 0x7c00u;
    const uint32_t result = bits >= 0x47800000u ? huge : bits < 0x38800000u ? subnormal : normal;
    return (element_t)(result | sign);
}
#endif

static void advise_huge(void* start, int64_t bytes) {
    const uintptr_t page = (uintptr_t)2 << 20;
    const uintptr_t first = ((uintptr_t)start + page - 1) & ~(page - 1);
    const uintptr_t last = ((uintptr_t)start + (uintptr_t)bytes) & ~(page - 1);
    if (bytes >= (4 << 20) && last > first) madvise((void*)first, last - first, MADV_HUGEPAGE);
}
"""

_C_TYPES: dict[type, Any] = {int: ctypes.c_int64, float: ctypes.c_float}
ELEMENTS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}


@cache
def entry(source: str, name: str, dtype: torch.dtype, kinds: tuple[type, ...]) -> Any:
    """Compile PRELUDE + `source` for `dtype` (once) and return its C function `name`, which takes `kinds`."""
    function = getattr(load(PRELUDE + source, defines={"ELEMENT": ELEMENTS[dtype]}), name)
    function.argtypes = [_C_TYPES.get(kind, ctypes.c_void_p) for kind in kinds]
    function.restype = None
    return function


def call(source: str, name: str, dtype: torch.dtype, *arguments: torch.Tensor | int | float | None) -> None:
    """Call C function `name`: tensors go as pointers (None as null), int as int64_t, float as float."""
    function = entry(source, name, dtype, tuple(type(a) for a in arguments))
    function(*[a.data_ptr() if isinstance(a, torch.Tensor) else a for a in arguments])
