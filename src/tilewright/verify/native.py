"""The two inner loops of the judge in C++: one pass over memory where torch needs twenty.

The arithmetic is that of noise.py, which is also what runs where there is no C++ compiler, or for a dtype that is not
here; a test holds the two against each other.
"""

from __future__ import annotations

import ctypes
import functools

import torch

from ..build.cpp import CompileError, load

_TYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}

SOURCE = r"""
#include <cmath>
#include <cstdint>
#include <cstring>
#include <omp.h>
#include <vector>

typedef int64_t i64;

static inline double wide(float v) { return v; }
static inline double wide(double v) { return v; }
struct bf16 { uint16_t bits; };
static inline double wide(bf16 v) { uint32_t u = (uint32_t)v.bits << 16; float f; memcpy(&f, &u, 4); return f; }
static inline double wide(_Float16 v) { return (float)v; }

static inline double near_of(double y, int type) {
  float f = (float)y;
  if (type == 0) return f;
  if (type == 1) return y;
  if (type == 3) return (float)(_Float16)f;
  uint32_t u; memcpy(&u, &f, 4);
  if (f != f) return f;
  u = (u + 0x7FFF + ((u >> 16) & 1)) & 0xFFFF0000u;
  memcpy(&f, &u, 4);
  return f;
}

template <class T, bool masked>
static void sums(const T* value, const double* truth, const uint8_t* codes, const uint8_t* open, i64 rows, i64 n,
                 double* square, double* peak, double* along, double* along_n) {
  std::vector<double> columns(omp_get_max_threads() * n, 0.0);
  #pragma omp parallel
  {
    double* c = columns.data() + omp_get_thread_num() * n;
    #pragma omp for schedule(static)
    for (i64 r = 0; r < rows; r++) {
      const T* v = value + r * n; const double* y = truth + r * n;
      double s = 0, a = 0, p = 0;
      #pragma omp simd reduction(+:s,a) reduction(max:p)
      for (i64 j = 0; j < n; j++) {
        double e = wide(v[j]) - y[j];
        if (masked) {
          bool skip = (codes && codes[r * n + j]) || (open && open[r * n + j]) || (codes && !(std::fabs(e) < INFINITY));
          e = skip ? 0.0 : e;
        }
        double ey = e * y[j], m = std::fabs(e);
        s += e * e; a += ey; c[j] += ey;
        p = m > p ? m : p;
      }
      if (s != s) p = s;  // a NaN must not hide behind a comparison
      square[r] = s; along[r] = a; peak[r] = p;
    }
  }
  // In the order of the threads, so that the same error has the same digits again.
  for (size_t i = 0; i < columns.size(); i++) along_n[i % n] += columns[i];
}

template <class T>
static void choose(const void* value, const double* truth, const uint8_t* codes, const uint8_t* open, i64 rows, i64 n,
                   double* square, double* peak, double* along, double* along_n) {
  const T* v = (const T*)value;
  if (codes || open) sums<T, true>(v, truth, codes, open, rows, n, square, peak, along, along_n);
  else sums<T, false>(v, truth, codes, open, rows, n, square, peak, along, along_n);
}

extern "C" __attribute__((visibility("default")))
void error_sums(int type, const void* value, const double* truth, const uint8_t* codes, const uint8_t* open, i64 rows,
                i64 n, double* square, double* peak, double* along, double* along_n) {
  if (type == 0) choose<float>(value, truth, codes, open, rows, n, square, peak, along, along_n);
  if (type == 1) choose<double>(value, truth, codes, open, rows, n, square, peak, along, along_n);
  if (type == 2) choose<bf16>(value, truth, codes, open, rows, n, square, peak, along, along_n);
  if (type == 3) choose<_Float16>(value, truth, codes, open, rows, n, square, peak, along, along_n);
}

template <int type>
static void grid(const double* truth, i64 rows, i64 n, double smallest, double unit, double** row, double** column) {
  std::vector<double> columns(omp_get_max_threads() * 4 * n, 0.0);
  #pragma omp parallel
  {
    double *c0 = columns.data() + omp_get_thread_num() * 4 * n, *c1 = c0 + n, *c2 = c1 + n, *c3 = c2 + n;
    #pragma omp for schedule(static)
    for (i64 r = 0; r < rows; r++) {
      const double* y = truth + r * n;
      double distinct = 1, square = 0, rho2 = 0, peak = 0, floor2 = 0, weighted = 0, rho_along = 0, cut_along = 0;
      #pragma omp simd reduction(+:square,rho2,floor2,weighted,rho_along,cut_along) reduction(max:peak)
      for (i64 j = 0; j < n; j++) {
        double v = y[j], near = near_of(v, type), rho = near - v, v2 = v * v;
        uint64_t bits; memcpy(&bits, &v, 8); bits &= 0x7FF0000000000000ull;
        double power; memcpy(&power, &bits, 8);
        power = power < smallest ? smallest : power > 1e300 ? 1e300 : power;
        double ulp = power * unit, f2 = ulp * ulp * (1.0 / 12), w = f2 * v2, ra = rho * v, m = std::fabs(rho);
        square += v2; rho2 += rho * rho; floor2 += f2; weighted += w; rho_along += ra;
        peak = m > peak ? m : peak;
        c0[j] += v2; c1[j] += w; c2[j] += ra;
        if (type == 2) {
          double cut = (std::fabs(near) > std::fabs(v) ? near - std::copysign(ulp, v) : near) - v;
          cut_along += cut * v; c3[j] += cut * v;
        }
      }
      for (i64 j = 1; j < n; j++) distinct += near_of(y[j], type) != near_of(y[j - 1], type);
      double all[8] = {distinct, square, rho2, peak, floor2, weighted, rho_along, cut_along};
      for (int k = 0; k < 8; k++) row[k][r] = all[k];
    }
  }
  for (size_t i = 0; i < columns.size(); i++) column[i / n % 4][i % n] += columns[i];
}

extern "C" __attribute__((visibility("default")))
void rounding_grid(int type, const double* truth, i64 rows, i64 n, double smallest, double unit, double** row,
                   double** column) {
  if (type == 0) grid<0>(truth, rows, n, smallest, unit, row, column);
  if (type == 1) grid<1>(truth, rows, n, smallest, unit, row, column);
  if (type == 2) grid<2>(truth, rows, n, smallest, unit, row, column);
  if (type == 3) grid<3>(truth, rows, n, smallest, unit, row, column);
}
"""


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        return load(SOURCE)
    except CompileError:
        return None


def _address(tensor: torch.Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _usable(*tensors: torch.Tensor | None) -> bool:
    return all(t is None or (t.device.type == "cpu" and t.is_contiguous()) for t in tensors)


def error_sums(
    value: torch.Tensor, truth: torch.Tensor, codes: torch.Tensor | None, open_: torch.Tensor | None
) -> tuple[torch.Tensor, ...] | None:
    """Return (square_R, peak_R, along_R, along_N) of value - truth, [R, N] each, or None where this cannot be done.
    `codes` (uint8) and `open_` (bool) mark elements that are not judged."""
    if value.dtype not in _TYPES or not _usable(value, truth, codes, open_):
        return None
    library = _library()
    if library is None:
        return None
    rows, length = truth.shape
    out = [torch.zeros(n, dtype=torch.float64) for n in (rows, rows, rows, length)]
    library.error_sums(
        ctypes.c_int(_TYPES[value.dtype]), _address(value), _address(truth), _address(codes), _address(open_),
        ctypes.c_int64(rows), ctypes.c_int64(length), *map(_address, out),
    )  # fmt: skip
    return tuple(out)


def rounding_grid(
    truth: torch.Tensor, dtype: torch.dtype, smallest: float, unit: float
) -> tuple[list[torch.Tensor], list[torch.Tensor]] | None:
    """Return the per-row sums (distinct, square, rho2, rho_peak, floor2, weighted, rho_along, cut_along) and the
    per-column sums (square, weighted, rho_along, cut_along) of a grid, or None where this cannot be done."""
    if dtype not in _TYPES or not _usable(truth):
        return None
    library = _library()
    if library is None:
        return None
    rows, length = truth.shape
    by_row = [torch.zeros(rows, dtype=torch.float64) for _ in range(8)]
    by_column = [torch.zeros(length, dtype=torch.float64) for _ in range(4)]
    pointers = [(ctypes.c_void_p * len(part))(*(t.data_ptr() for t in part)) for part in (by_row, by_column)]
    library.rounding_grid(
        ctypes.c_int(_TYPES[dtype]), _address(truth), ctypes.c_int64(rows), ctypes.c_int64(length),
        ctypes.c_double(smallest), ctypes.c_double(unit), *pointers,
    )  # fmt: skip
    return by_row, by_column
