"""C++ candidates under AddressSanitizer: what only it sees, and what it must not stop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tilewright.build.cpp import find_compiler
from tilewright.candidate import Candidate, Status
from tilewright.problem import Inputs
from tilewright.verify import Verdict
from tilewright.verify.gpu_sanitizer import read, sanitized_on_gpu, written_to
from tilewright.verify.sanitizer import Sanitized, _read, applies, runtime_libraries, sanitize, sanitized

SOURCE = """
import ctypes
import torch
from tilewright.build.cpp import load

PARAMS = {"AHEAD": %d}
SOURCE = r'''
#include <cstdint>
extern "C" __attribute__((visibility("default")))
void twice(const float* x, float* out, int64_t n) {
  volatile float ahead = 0;
  for (int64_t j = 0; j < n; ++j) { ahead = x[j + AHEAD]; out[j] = 2 * x[j]; }
}
'''


def f(x):
    x = x.contiguous()
    out = torch.empty_like(x)
    pointer = ctypes.c_void_p
    load(SOURCE, PARAMS).twice(pointer(x.data_ptr()), pointer(out.data_ptr()), ctypes.c_int64(x.numel()))
    return out
"""
CALLS = [Inputs({"x": torch.ones(7, 9)})]


def candidate(source: str, language: str = "cpp") -> Candidate:
    return Candidate(name="c", source=source, entry="f", language=language)


needs_runtime = pytest.mark.skipif(runtime_libraries(find_compiler()) is None, reason="no libasan here")


@needs_runtime
def test_a_read_beyond_an_input_is_found_and_a_right_one_is_clean() -> None:
    passed = Verdict(status=Status.PASSED, tier="certify")
    wrong = sanitized(passed, candidate(SOURCE % 1), CALLS)
    assert wrong.status is Status.OUT_OF_BOUNDS
    assert wrong.detail == "AddressSanitizer: heap-buffer-overflow (READ of size 4)"
    right = sanitized(passed, candidate(SOURCE % 0), CALLS)
    assert right.status is Status.PASSED and right.facts["sanitizer"] == "clean over 1 call"


@needs_runtime
def test_the_wall_around_the_sanitizer_is_that_of_a_child() -> None:
    reads = "SOURCE = ''\ndef f(x): raise ValueError(open('/etc/shadow').read(4) + open('/dev/shm').read(4))"
    assert "Permission denied: '/etc/shadow'" in sanitize(candidate(reads), CALLS).fact


@needs_runtime
def test_a_candidate_that_hangs_or_raises_goes_without_this_evidence() -> None:
    assert sanitize(candidate("SOURCE = ''\ndef f(x):\n    while True: pass"), CALLS, 8).fact.startswith("not finished")
    raising = sanitize(candidate("SOURCE = ''\ndef f(x): raise ValueError('no')"), CALLS)
    assert raising.fact == "not finished: ValueError: no" and not raising.fault


def test_a_missing_runtime_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilewright.verify.sanitizer.runtime_libraries", lambda compiler: None)
    found = sanitized(Verdict(status=Status.PASSED, tier="certify"), candidate(SOURCE % 1), CALLS)
    assert found.passed and "no libasan" in str(found.facts["sanitizer"])


def test_other_languages_are_left_alone() -> None:
    verdict = Verdict(status=Status.PASSED, tier="certify")
    assert sanitized(verdict, candidate("def f(x): return x", "torch"), CALLS) is verdict
    assert not applies(candidate("def f(x): return x")) and applies(candidate(SOURCE % 0))


def test_a_report_becomes_one_line() -> None:
    text = (
        "noise\n==7==ERROR: AddressSanitizer: stack-buffer-overflow on address 0x7ffd at pc 0x5 bp 0x6 sp 0x7\n"
        "WRITE of size 8 at 0x7ffd thread T0\n"
    )
    assert _read(text, 66, 1).fault == "AddressSanitizer: stack-buffer-overflow (WRITE of size 8)"
    assert _read("", 0, 2).fact == "clean over 2 calls"


MEMCHECK = """========= COMPUTE-SANITIZER
========= Invalid __global__ read of size 4 bytes
=========     at twice_kernel(float *, float *, int)+0x1d0 in candidate.py:8
=========     by thread (62,0,0) in block (0,0,0)
=========
========= ERROR SUMMARY: 1 error
"""


def test_what_compute_sanitizer_writes_is_read() -> None:
    found = read("memcheck", MEMCHECK, "", 66, 2)
    assert found.fault == "compute-sanitizer: Invalid __global__ read of size 4 bytes in twice_kernel"
    clean = "========= COMPUTE-SANITIZER\n========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)\n"
    assert read("racecheck", clean, "", 0, 2) == Sanitized("clean over 2 calls")
    ended = read("memcheck", "========= COMPUTE-SANITIZER\n========= Device not supported\n", "", 1, 2)
    assert ended == Sanitized("not finished: Device not supported")


def test_a_log_is_a_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("said")
    (tmp_path / "link").symlink_to(tmp_path / "log")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # nobody writes: a reader that waits, waits for ever
    found = {name: written_to(str(tmp_path / name)) for name in ("log", "link", "folder", "pipe", "nothing")}
    assert found == {"log": "said", "link": "", "folder": "", "pipe": "", "nothing": ""}


def test_only_kernels_of_its_own_are_looked_at_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tilewright.verify.gpu_sanitizer.find_program", lambda: None)
    passed = Verdict(status=Status.PASSED, tier="certify")
    assert sanitized_on_gpu(passed, candidate("def f(x): return x", "torch"), CALLS, 0) == passed
    told = sanitized_on_gpu(passed, candidate("def f(x): return x", "triton"), CALLS, 0)
    assert told.passed and told.facts["compute_sanitizer"] == "not run: compute-sanitizer is not installed"
