"""The same deferral without Python's knowledge: a detached C++ thread writes into the tensor that was returned."""

import ctypes

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "starts a detached C++ thread that fills the output after the call has returned",
    "source": "own",
    "defence": "outputs are taken when the clock stops; native threads count as well",
    "needs": "compiler",
    "device": "cpu",
}
SOURCE = r"""
#include <cstdint>
#include <thread>

static void product(const float* a, const float* b, float* out, int64_t m, int64_t k, int64_t n) {
    for (int64_t i = 0; i < m; ++i) {
        for (int64_t j = 0; j < n; ++j) out[i * n + j] = 0.0f;
        for (int64_t p = 0; p < k; ++p)
            for (int64_t j = 0; j < n; ++j) out[i * n + j] += a[i * k + p] * b[p * n + j];
        for (int64_t j = 0; j < n; ++j) out[i * n + j] = out[i * n + j] > 0.0f ? out[i * n + j] : 0.0f;
    }
}

extern "C" __attribute__((visibility("default")))
void start(const float* a, const float* b, float* out, int64_t m, int64_t k, int64_t n) {
    std::thread(product, a, b, out, m, k, n).detach();
}
"""


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.start = load(SOURCE).start
        self.start.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3
        self.kept: list[torch.Tensor] = []

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a, b = a.contiguous(), b.contiguous()
        out = torch.zeros(a.shape[0], b.shape[1])
        self.kept = [*self.kept[-60:], a, b, out]
        self.start(a.data_ptr(), b.data_ptr(), out.data_ptr(), a.shape[0], a.shape[1], b.shape[1])
        return out
