"""The output is a plain tensor over forbidden pages; the fault of the first reader does the work."""

import ctypes

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "outer_matmul_relu",
    "kind": "cheat",
    "what": "returns memory without access rights; a SIGSEGV handler computes the result when a reader touches it",
    "source": "own",
    "defence": "every page of an output is read before the clock stops",
    "needs": "compiler",
    "device": "cpu",
}
SOURCE = r"""
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>

struct Job { char* page; size_t bytes; const float* a; const float* b; int64_t m, k, n; bool open; };
static Job jobs[256];
static int newest = 0;

static void product(const Job& job) {
    float* out = reinterpret_cast<float*>(job.page);
    for (int64_t i = 0; i < job.m; ++i) {
        for (int64_t p = 0; p < job.k; ++p)
            for (int64_t j = 0; j < job.n; ++j) out[i * job.n + j] += job.a[i * job.k + p] * job.b[p * job.n + j];
        for (int64_t j = 0; j < job.n; ++j) if (!(out[i * job.n + j] > 0.0f)) out[i * job.n + j] = 0.0f;
    }
}

static void on_fault(int, siginfo_t* info, void*) {
    char* at = static_cast<char*>(info->si_addr);
    for (Job& job : jobs) {
        if (!job.open || at < job.page || at >= job.page + job.bytes) continue;
        job.open = false;
        mprotect(job.page, job.bytes, PROT_READ | PROT_WRITE);
        product(job);
        return;
    }
    signal(SIGSEGV, SIG_DFL);
}

extern "C" __attribute__((visibility("default")))
void* promise(const float* a, const float* b, int64_t m, int64_t k, int64_t n) {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    newest = (newest + 1) % 256;
    Job& job = jobs[newest];
    if (job.page) munmap(job.page, job.bytes);
    const size_t bytes = (m * n * sizeof(float) + 4095) / 4096 * 4096;
    void* page = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    job = Job{static_cast<char*>(page), bytes, a, b, m, k, n, true};
    return page;
}
"""


class ModelNew(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.promise = load(SOURCE).promise
        self.promise.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 3
        self.promise.restype = ctypes.c_void_p
        self.kept: list[torch.Tensor] = []

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a, b = a.contiguous(), b.contiguous()
        self.kept = [*self.kept[-200:], a, b]
        m, n = a.shape[0], b.shape[1]
        page = self.promise(a.data_ptr(), b.data_ptr(), m, a.shape[1], n)
        memory = (ctypes.c_float * (m * n)).from_address(page)
        return torch.frombuffer(memory, dtype=torch.float32).view(m, n)
