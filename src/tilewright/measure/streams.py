"""Copy and fill past the cache: the ways to write memory that PyTorch has not, for the ceilings of a processor.

An ordinary store reads the line that it is about to overwrite, so a copy moves three bytes for two. A streaming store
does not. A kernel may use it, so a memory ceiling that was measured without it would be no ceiling. The idea of the
pair of loops is McCalpin's STREAM benchmark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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
"""

Copy = Callable[["torch.Tensor", "torch.Tensor"], None]
Fill = Callable[["torch.Tensor"], None]


def streams() -> tuple[Copy, Fill] | None:
    """Return copy(target, source) and fill(target) over contiguous float32 tensors of a multiple of 4 elements, with
    as many threads as PyTorch uses; None where there is no C++ compiler."""
    import ctypes

    import torch

    try:
        library = load(_SOURCE)
    except CompileError:
        return None
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    library.stream_copy.argtypes = [pointer, pointer, count, ctypes.c_int]
    library.stream_fill.argtypes = [pointer, count, ctypes.c_int]

    def copy(target: torch.Tensor, source: torch.Tensor) -> None:
        library.stream_copy(target.data_ptr(), source.data_ptr(), source.numel(), torch.get_num_threads())

    def fill(target: torch.Tensor) -> None:
        library.stream_fill(target.data_ptr(), target.numel(), torch.get_num_threads())

    return copy, fill
