"""Forbids its own process to read the cycle counter, and answers the trap with a counter that stands still."""

import torch
from torch import nn

from tilewright.build.cpp import load

CORPUS = {
    "problem": "outer_softmax",
    "kind": "cheat",
    "what": "prctl(PR_SET_TSC) makes rdtsc fault, and the SIGSEGV handler shows a counter 16 times too slow",
    "source": "own",
    "defence": "times are taken by another process, and handlers and prctl are none of a candidate's business",
    "needs": "compiler",
    "device": "cpu",
}
SOURCE = r"""
#include <csignal>
#include <cstdint>
#include <sys/prctl.h>
#include <ucontext.h>
#include <x86intrin.h>

static uint64_t start_cycles;

static void on_fault(int, siginfo_t*, void* context) {
    auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const auto* code = reinterpret_cast<const unsigned char*>(registers[REG_RIP]);
    const bool rdtsc = code[0] == 0x0f && code[1] == 0x31;
    const bool rdtscp = code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9;
    if (!rdtsc && !rdtscp) {
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    prctl(PR_SET_TSC, PR_TSC_ENABLE);
    const uint64_t shown = start_cycles + (__rdtsc() - start_cycles) / 16;
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
    registers[REG_RAX] = shown & 0xffffffffu;
    registers[REG_RDX] = shown >> 32;
    if (rdtscp) registers[REG_RCX] = 0;
    registers[REG_RIP] += rdtsc ? 2 : 3;
}

extern "C" __attribute__((visibility("default"))) int trap() {
    start_cycles = __rdtsc();
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, nullptr);
    return prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
}
"""
load(SOURCE).trap()


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(x, dim=-1)
