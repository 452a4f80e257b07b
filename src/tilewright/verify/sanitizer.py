"""AddressSanitizer for C++ candidates: the same file, its SOURCE compiled with -fsanitize=address, called on a few
inputs in a fresh process behind the wall whose allocations the sanitizer watches.

Every tensor is then an allocation of its own with guarded memory around it, so that reads beyond an input show too,
and single bytes, and use after free. What it finds is OUT_OF_BOUNDS with the sanitizer's first line. It is one more
witness and not the judge: a file that keeps its kernel from it only goes without this evidence.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import JsonValue

from ..build.cpp import CompileError, find_compiler
from ..candidate import Candidate, Status, literal
from ..child.leftovers import Scratch
from ..child.process import READABLE
from ..problem import Inputs
from .verdict import Verdict

TIMEOUT_S = 120.0
MOST_BYTES = 256 << 20  # of inputs; larger ones are looked at by the guard bands alone
_OPTIONS = (
    "detect_leaks=0:detect_odr_violation=0:alloc_dealloc_mismatch=0:new_delete_type_mismatch=0:abort_on_error=0:"
    "exitcode=66:allocator_may_return_null=1:hard_rss_limit_mb=6144:redzone=256:symbolize=0:handle_segv=1"
)
_FLAGS = "-fsanitize=address -fno-omit-frame-pointer -g"
# What a memory error may be behind of.
EXPLAINED = (Status.PASSED, Status.INCORRECT_NUMERICAL, Status.NONFINITE, Status.RUNTIME_ERROR, Status.MUTATED_INPUT)
_FOUND = re.compile(r"ERROR: AddressSanitizer: (.*)")


@dataclass(frozen=True)
class Sanitized:
    """What came of it. `fault` is the sanitizer's first line, "" if it found nothing; `fact` says in a few words what
    was done, or why nothing was."""

    fact: str
    fault: str = ""


def applies(candidate: Candidate) -> bool:
    """Whether there is C++ of the candidate's own to be compiled."""
    if candidate.language != "cpp":
        return False
    try:
        return isinstance(literal(candidate.source, "SOURCE"), str)
    except (SyntaxError, ValueError):
        return "load_inline" in candidate.source or "extern" in candidate.source


def sanitized(verdict: Verdict, candidate: Candidate, calls: Sequence[Inputs]) -> Verdict:
    """Return `verdict` with what the sanitizer says of `candidate`, where there is C++ to look at: a fact, and a fault
    that explains wrong numbers and crashes better than they do themselves."""
    if not applies(candidate):
        return verdict
    found = sanitize(candidate, calls)
    facts: dict[str, JsonValue] = {**verdict.facts, "sanitizer": found.fact}
    if not found.fault or verdict.status not in EXPLAINED:
        return verdict.with_(facts=facts)
    return verdict.with_(status=Status.OUT_OF_BOUNDS, detail=found.fault, facts=facts)


def runtime_libraries(compiler: str) -> str | None:
    """Return what must be preloaded, the sanitizer's runtime first; None where the toolchain has none. The C++ runtime
    comes second, since the sanitizer wants to see what is thrown."""
    found = []
    for names in (("libasan.so", "libclang_rt.asan-x86_64.so"), ("libstdc++.so.6",)):
        for name in names:
            answer = subprocess.run(
                [compiler, f"-print-file-name={name}"], capture_output=True, text=True, timeout=20, check=False
            ).stdout.strip()
            if os.path.isabs(answer) and os.path.exists(answer):
                found.append(os.path.realpath(answer))
                break
    return ":".join(found) if len(found) == 2 else None


def sanitize(candidate: Candidate, calls: Sequence[Inputs], timeout_s: float = TIMEOUT_S) -> Sanitized:
    """Call `candidate` on each of `calls` under AddressSanitizer."""
    try:
        compiler = find_compiler()
    except CompileError as error:
        return Sanitized(f"not run: {error}")
    preload = runtime_libraries(compiler)
    if preload is None:
        return Sanitized(f"not run: {os.path.basename(compiler)} has no libasan on this machine")
    kept = [c for c in calls if bytes_of(c) <= MOST_BYTES]
    if not kept:
        return Sanitized(f"not run: the inputs have more than {MOST_BYTES >> 20} MiB")
    with contextlib.closing(Scratch()) as scratch:
        write_job(Path(scratch.path), candidate, kept, "cpu")
        _write_compiler(Path(scratch.path), compiler)
        return _run(scratch.path, preload, len(kept), timeout_s)


def bytes_of(call: Inputs) -> int:
    return sum(t.numel() * t.element_size() for t in call.tensors().values())


def write_job(folder: Path, candidate: Candidate, calls: Sequence[Inputs], device: str) -> None:
    """Put into `folder` what the process needs: the file, and the calls that it makes on `device`, "cpu" or "cuda"."""
    (folder / "candidate.py").write_text(candidate.source)
    job = {"entry": candidate.entry, "kind": candidate.kind, "calls": len(calls), "device": device}
    (folder / "job.json").write_text(json.dumps(job))
    for number, call in enumerate(calls):
        own = call.map(lambda _, t: t.clone(memory_format=torch.preserve_format))
        torch.save({"args": own.args, "state": own.state, "init": own.init}, folder / f"call_{number}.pt")


def _write_compiler(folder: Path, compiler: str) -> None:
    """A compiler that adds the sanitizer."""
    wrapper = folder / "c++"
    # The compiler itself must not run under the sanitizer.
    wrapper.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec "{compiler}" "$@" {_FLAGS}\n')
    wrapper.chmod(0o700)


def _run(folder: str, preload: str, calls: int, timeout_s: float) -> Sanitized:
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": folder, "TMPDIR": folder, "TILEWRIGHT_CACHE": folder, "CXX": os.path.join(folder, "c++"),
        "LD_PRELOAD": preload, "ASAN_OPTIONS": _OPTIONS, "OMP_NUM_THREADS": "2", "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONMALLOC": "malloc",
    }  # fmt: skip
    done = call_program([], folder, environment, timeout_s, READABLE)
    return _read(*done, calls) if done else Sanitized(f"not finished after {timeout_s:.0f} s")


def call_program(
    ahead: Sequence[str], folder: str, environment: dict[str, str], timeout_s: float, readable: Sequence[str]
) -> tuple[str, int] | None:
    """Run sanitizer_program on `folder`, behind the words `ahead` of its command line; beside the folder and libraries
    it may read what is `readable`. Returns what was written to stderr and the exit code; None where it took longer."""
    readable = [*readable, sys.prefix, sys.base_prefix, *_library_folders()]
    program = [sys.executable, "-I", "-m", "tilewright.verify.sanitizer_program", folder, json.dumps(readable)]
    with open(os.path.join(folder, "stderr"), "wb+") as errors:
        process = subprocess.Popen(
            [*ahead, *program], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=errors, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)
        errors.seek(0)
        return errors.read(1 << 20).decode(errors="replace"), process.returncode


def _read(text: str, code: int, calls: int) -> Sanitized:
    report = _FOUND.search(text)
    if report:
        line = re.sub(r" on (unknown )?address.*", "", report[1])
        what = re.search(r"^(READ|WRITE) of size \d+", text, re.MULTILINE)
        line = f"{line} ({what[0]})" if what else line
        return Sanitized(f"found {line.split()[0]}", f"AddressSanitizer: {line.strip()}")
    if code == 0:
        return Sanitized(f"clean over {calls} call{'s' if calls > 1 else ''}")
    last = next((line for line in reversed(text.splitlines()) if line.strip()), f"it ended with code {code}")
    return Sanitized(f"not finished: {last.strip()[:200]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _library_folders() -> list[str]:
    """Where Python's packages and this one lie."""
    package = str(Path(__file__).resolve().parents[2])
    return list(dict.fromkeys([*(p for p in sysconfig.get_paths().values() if os.path.isdir(p)), package]))
