"""What a C++ kernel may do and PyTorch does not, for the ceilings of a processor: copy and fill past the cache, and exp
on registers.

An ordinary store reads the line that it is about to overwrite, so a copy moves three bytes for two. A streaming store
does not. A kernel may use it, so a memory ceiling that was measured without it would be no ceiling. The idea of the
pair of loops is McCalpin's STREAM benchmark. torch.exp reads and writes memory for every exp; a kernel that has its
numbers in registers does not, and is several times faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..build.cpp import CompileError, load

if TYPE_CHECKING:
    import torch

_SOURCE = r"""
#include <emmintrin.h>
#include <cstdint>
// Both pointers are 16-byte aligned, n counts floats and is a multiple of 4.
extern "C" __attribute__((visibility("default")))
void stream_copy(float* to, const float* from, int64_t n, int threads) {
  #pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < n; i += 4) _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
  _mm_sfence();
}
extern "C" __attribute__((visibility("default")))
void stream_fill(float* to, int64_t n, int threads) {
  const __m128 one = _mm_set1_ps(1.0f);
  #pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < n; i += 4) _mm_stream_ps(to + i, one);
  _mm_sfence();
}
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
// e^-x for x from 0 to 87, to 2 ulp: x = -(n ln 2 + r), e^r by the polynomial that the generated kernels use.
static inline __attribute__((always_inline)) Floats exp_of_minus(Floats x) {
  const float shift = 0x1.8p23f;
  x = x < 87.f ? x : 87.f - Floats{};
  const Floats n = (shift - x * 0x1.715476p+0f) - shift, r = (-x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
  Floats q = r * 0x1.a242f6p-13f + 0x1.6d3cacp-10f;
  q = q * r + 0x1.111004p-7f;
  q = q * r + 0x1.5554f6p-5f;
  q = q * r + 0x1.555556p-3f;
  q = q * r + 0x1p-1f;
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  return (1.f + (r + q * (r * r))) * (Floats)power;
}
// values[i] becomes e^-values[i], `rounds` times over; n is a multiple of 64.
extern "C" __attribute__((visibility("default")))
void repeat_exp(float* values, int64_t n, int64_t rounds, int threads) {
  #pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t i = 0; i < n; i += 64) {
    Floats x[4];
    __builtin_memcpy(x, values + i, sizeof x);
    for (int64_t round = 0; round < rounds; ++round)
      for (Floats& one : x) one = exp_of_minus(one);
    __builtin_memcpy(values + i, x, sizeof x);
  }
}
"""


class Streams(NamedTuple):
    """Loops over contiguous float32 tensors, with as many threads as PyTorch uses. `copy(target, source)` and
    `fill(target)` take a multiple of 4 elements; `repeat_exp(values, rounds)`, which replaces every number x >= 0 by
    exp(-x) `rounds` times, a multiple of 64."""

    copy: Callable[[torch.Tensor, torch.Tensor], None]
    fill: Callable[[torch.Tensor], None]
    repeat_exp: Callable[[torch.Tensor, int], None]


def streams() -> Streams | None:
    """Return the loops; None where there is no C++ compiler."""
    import ctypes

    import torch

    try:
        library = load(_SOURCE)
    except CompileError:
        return None
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    library.stream_copy.argtypes = [pointer, pointer, count, ctypes.c_int]
    library.stream_fill.argtypes = [pointer, count, ctypes.c_int]
    library.repeat_exp.argtypes = [pointer, count, count, ctypes.c_int]

    def copy(target: torch.Tensor, source: torch.Tensor) -> None:
        library.stream_copy(target.data_ptr(), source.data_ptr(), source.numel(), torch.get_num_threads())

    def fill(target: torch.Tensor) -> None:
        library.stream_fill(target.data_ptr(), target.numel(), torch.get_num_threads())

    def repeat_exp(values: torch.Tensor, rounds: int) -> None:
        library.repeat_exp(values.data_ptr(), values.numel(), rounds, torch.get_num_threads())

    return Streams(copy, fill, repeat_exp)
