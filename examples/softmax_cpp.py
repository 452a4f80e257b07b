"""A candidate in C++: the kernel is a literal, its settings are literals too, and the space says what may be tuned.

Try: tilewright check examples/softmax_cpp.py --problem examples/softmax_problem.py
     tilewright optimize examples/softmax_cpp.py --problem examples/softmax_problem.py --budget 60s
"""

import ctypes

import torch
from torch import nn

from tilewright.build.cpp import load

PARAMS = {"GRAIN": 8}
SPACE = {"GRAIN": [1, 4, 8, 32, 128]}

SOURCE = r"""
#include <algorithm>
#include <cmath>
#include <cstdint>

extern "C" __attribute__((visibility("default")))  // symbols are hidden unless they say otherwise
void softmax(const float* x, float* out, int64_t rows, int64_t columns, float scale) {
    #pragma omp parallel for schedule(static, GRAIN)
    for (int64_t r = 0; r < rows; ++r) {
        const float* in = x + r * columns;
        float* to = out + r * columns;
        float most = -INFINITY;
        for (int64_t c = 0; c < columns; ++c) most = std::max(most, in[c]);
        float sum = 0.0f;
        for (int64_t c = 0; c < columns; ++c) {
            to[c] = std::exp((in[c] - most) * scale);
            sum += to[c];
        }
        const float factor = 1.0f / sum;
        for (int64_t c = 0; c < columns; ++c) to[c] *= factor;
    }
}
"""


class ModelNew(nn.Module):
    def __init__(self, temperature: float):
        super().__init__()
        self.scale = 1.0 / temperature
        self.kernel = load(SOURCE, defines=PARAMS).softmax
        self.kernel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_float]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.contiguous()
        out = torch.empty_like(x)
        rows, columns = x.shape
        self.kernel(x.data_ptr(), out.data_ptr(), rows, columns, self.scale)
        return out
