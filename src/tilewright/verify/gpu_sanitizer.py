"""compute-sanitizer for candidates with GPU kernels of their own: the same calls, in fresh processes behind the wall.

memcheck sees every access of every kernel: reads beyond an allocation too, and writes far from one. What it finds is
OUT_OF_BOUNDS with the first report and the kernel's name. racecheck (hazards in shared memory) and initcheck (reads of
memory that nobody wrote) are told and decide nothing: copies that the hardware makes beside the threads look like
races, and a value that is read may be thrown away. The tools run side by side; each tensor is an allocation of its own
(no caching allocator).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import JsonValue

from ..candidate import Candidate, Status
from ..child.leftovers import Scratch
from ..child.process import READABLE
from ..problem import Inputs
from .sanitizer import EXPLAINED, MOST_BYTES, Sanitized, bytes_of, call_program, write_job
from .verdict import Verdict

TOOLS = ("memcheck", "racecheck", "initcheck")
TIMEOUT_S = 150.0
_FOUND_CODE, _LOG_BYTES = 66, 1 << 20
_PLACES = ("/usr/local/cuda/bin", "/opt/cuda/bin")
_REPORT = re.compile(
    r"^========= ((?:Invalid|Misaligned|Out-of-range|Uninitialized|Error: (?:Race|Potential))[^\n]*)"
    r"(?:\n=========\s+at (\S[^\n]*?)\+0x)?",
    re.M,
)
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "CUDA_PATH")


def applies(candidate: Candidate) -> bool:
    """Whether there are kernels of the candidate's own: torch's need no check."""
    return candidate.language in ("triton", "gluon", "cuda")


def sanitized_on_gpu(verdict: Verdict, candidate: Candidate, calls: Sequence[Inputs], gpu: int) -> Verdict:
    """Return `verdict` with what each tool says of `candidate` on GPU number `gpu`, where there are kernels to look at.
    A fault that memcheck finds explains wrong numbers and crashes better than they do themselves."""
    if not applies(candidate):
        return verdict
    program = find_program()
    if program is None:
        return verdict.with_(
            facts={**verdict.facts, "compute_sanitizer": "not run: compute-sanitizer is not installed"}
        )
    kept = [c for c in calls if bytes_of(c) <= MOST_BYTES]
    with ThreadPoolExecutor(len(TOOLS)) as pool:
        found = dict(
            zip(TOOLS, pool.map(lambda tool: sanitize(program, tool, candidate, kept, gpu), TOOLS), strict=True)
        )
    facts: dict[str, JsonValue] = {
        **verdict.facts, "compute_sanitizer": "; ".join(f"{tool}: {one.fact}" for tool, one in found.items())
    }  # fmt: skip
    fault = found["memcheck"].fault
    if not fault or verdict.status not in EXPLAINED:
        return verdict.with_(facts=facts)
    return verdict.with_(status=Status.OUT_OF_BOUNDS, detail=fault, facts=facts)


def find_program() -> str | None:
    return shutil.which("compute-sanitizer") or next(
        (found for place in _PLACES if (found := shutil.which("compute-sanitizer", path=place))), None
    )


def sanitize(program: str, tool: str, candidate: Candidate, calls: Sequence[Inputs], gpu: int) -> Sanitized:
    """Call `candidate` on each of `calls` under one tool."""
    if not calls:
        return Sanitized(f"not run: the inputs have more than {MOST_BYTES >> 20} MiB")
    with contextlib.closing(Scratch()) as scratch:
        write_job(Path(scratch.path), candidate, calls, "cuda")
        log = os.path.join(scratch.path, "log")
        ahead = [
            program, "--tool", tool, "--log-file", log, "--print-limit", "3",
            "--error-exitcode", str(_FOUND_CODE),
        ]  # fmt: skip
        readable = [*READABLE, "/etc", "/dev"]
        done = call_program(ahead, scratch.path, _environment(scratch.path, gpu), TIMEOUT_S, readable)
        if done is None:
            return Sanitized(f"not finished after {TIMEOUT_S:.0f} s")
        return read(tool, written_to(log), *done, len(calls))


def written_to(log: str) -> str:
    """The text of the file `log`, at most its first MiB; "" where there is none. The candidate can write to it, and
    may leave a link or a pipe: neither is followed or waited for."""
    try:
        with open(log, "rb", opener=lambda path, how: os.open(path, how | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return file.read(_LOG_BYTES).decode(errors="replace") if regular else ""
    except OSError:
        return ""


def _environment(folder: str, gpu: int) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    visible = [name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return environment | {
        "CUDA_VISIBLE_DEVICES": visible[gpu].strip() if visible else str(gpu),
        "HOME": folder, "TMPDIR": folder, "TILEWRIGHT_CACHE": folder,
        "TRITON_CACHE_DIR": os.path.join(folder, "triton"), "CUDA_CACHE_PATH": os.path.join(folder, "cuda"),
        "PYTORCH_NO_CUDA_MEMORY_CACHING": "1", "OMP_NUM_THREADS": "2", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


def read(tool: str, log: str, errors: str, code: int, calls: int) -> Sanitized:
    """What the log of `tool` comes to. One that ended before all calls were made has shown nothing."""
    report = _REPORT.search(log)
    if report:
        kernel = f" in {report[2].split('(')[0][:120]}" if report[2] else ""
        said = f"{report[1].strip().rstrip('.')}{kernel}"
        return Sanitized(f"found: {said}", f"compute-sanitizer: {said}")
    if code == 0 and "SUMMARY" in log:
        return Sanitized(f"clean over {calls} call{'s' if calls > 1 else ''}")
    lines = [line.removeprefix("=========").strip() for line in [*log.splitlines(), *errors.splitlines()]]
    last = next((line for line in reversed(lines) if line), f"it ended with code {code}")
    return Sanitized(f"not finished: {last[:200]}")
