"""Triton candidates under compute-sanitizer: what only it sees, and what is clean."""

from __future__ import annotations

import pytest
import torch

from tilewright.candidate import Candidate, Status
from tilewright.problem import Inputs
from tilewright.verify import Verdict
from tilewright.verify.gpu_sanitizer import find_program, sanitized_on_gpu

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(find_program() is None, reason="no compute-sanitizer here")]

SOURCE = """
import torch, triton
import triton.language as tl

@triton.jit
def twice_kernel(x, out, n, AHEAD: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at + AHEAD, mask=at < n)
    tl.store(out + at, 2 * tl.load(x + at, mask=at < n) + 0 * value, mask=at < n)

def f(x):
    out = torch.empty_like(x)
    twice_kernel[(triton.cdiv(x.numel(), 64),)](x, out, x.numel(), {ahead}, 64)
    return out
"""
CALLS = [Inputs({"x": torch.ones(7, 9)}), Inputs({"x": torch.ones(130)})]
PASSED = Verdict(status=Status.PASSED, tier="certify")


def judged(ahead: int) -> Verdict:
    source = SOURCE.replace("{ahead}", str(ahead))
    candidate = Candidate(name="c", source=source, entry="f", language="triton")
    return sanitized_on_gpu(PASSED, candidate, CALLS, 0)


def test_a_read_beyond_an_input_is_found() -> None:
    wrong = judged(1)
    assert wrong.status is Status.OUT_OF_BOUNDS, wrong.facts
    assert wrong.detail.startswith("compute-sanitizer: Invalid __global__ read") and "twice_kernel" in wrong.detail


def test_a_right_one_is_clean() -> None:
    right = judged(0)
    assert right.status is Status.PASSED
    told = str(right.facts["compute_sanitizer"])
    assert told == "; ".join(f"{tool}: clean over 2 calls" for tool in ("memcheck", "racecheck", "initcheck"))
