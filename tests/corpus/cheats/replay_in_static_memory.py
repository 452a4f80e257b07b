import ctypes

import torch

from tilewright.build.cpp import load

CORPUS = {
    "problem": "running_sum",
    "kind": "cheat",
    "what": "keeps results in static memory of a C++ library, by the first four values of the input",
    "source": "tensara #238; wafer field guide",
    "defence": "calls on content that was never seen must take no longer",
    "device": "cpu",
    "needs": "compiler",
}

SOURCE = r"""
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>
static std::map<std::vector<float>, std::vector<float>> kept;
extern "C" __attribute__((visibility("default")))
void scan(const float* x, float* out, int64_t rows, int64_t columns) {
  const std::vector<float> key(x, x + 4);
  std::vector<float>& found = kept[key];
  if (found.empty()) {
    found.resize(rows * columns);
    for (int64_t row = 0; row < rows; ++row) {
      double sum = 0;
      for (int64_t i = 0; i < columns; ++i) found[row * columns + i] = float(sum += x[row * columns + i]);
    }
  }
  std::memcpy(out, found.data(), rows * columns * sizeof(float));
}
"""
library = load(SOURCE)
library.scan.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]


def running_sum(x):
    x = x.contiguous()
    out = torch.empty_like(x)
    library.scan(x.data_ptr(), out.data_ptr(), *x.shape)
    return out
