"""Compile facts of a candidate's Triton kernels for GPUs that are not here, from a child behind the same wall."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..build.facts import CompileFacts
from ..candidate import Candidate
from ..problem import Inputs, Problem, Workload
from ..schema import Noun
from .leftovers import Scratch
from .process import _READABLE as READABLE
from .process import _library_folders as library_folders

TIMEOUT_S = 300.0
_COMPILER_BYTES = 12 << 30  # address space of Python, torch and LLVM


class NoFacts(Noun):
    """Why a kernel has no facts for a target."""

    kernel: str
    target: str
    error: str


def cross_compile(
    candidate: Candidate,
    problem: Problem,
    workload: Workload,
    targets: Sequence[str],
    timeout_s: float = TIMEOUT_S,
    keep: str | None = None,
) -> tuple[CompileFacts | NoFacts, ...]:
    """Return the facts of every kernel that `candidate` launches on `workload`, for each target.

    The launches are recorded on tensors of the workload's shapes; no kernel runs. What fails is in the answer. What was
    compiled is left in the folder `keep`, as a Triton cache that `lend_cache` gives to a child.
    """
    call = problem.make_inputs(workload, 0)
    scratch = Scratch()
    try:
        answer = _ask(_request(candidate, call, targets, scratch.path), scratch.path, timeout_s)
        compiled = os.path.join(scratch.path, "triton")
        if keep is not None and os.path.isdir(compiled):
            shutil.copytree(compiled, keep, dirs_exist_ok=True)
            _move_groups(keep, compiled)
    finally:
        scratch.close()
    if "error" in answer:
        return tuple(NoFacts(kernel=candidate.name, target=t, error=answer["error"]) for t in targets)
    return tuple(NoFacts(**f) if "error" in f else CompileFacts(**f) for f in answer["facts"])


def lend_cache(kept: str, child_scratch: str) -> None:
    """Copy a cache that `cross_compile` kept to where a child looks for compiled kernels."""
    if os.path.isdir(kept):
        target = os.path.join(child_scratch, "triton")
        shutil.copytree(kept, target, dirs_exist_ok=True)
        _move_groups(target, kept)


def _move_groups(folder: str, old: str) -> None:
    """Triton's cache names the files of a kernel by their full paths, which a copy leaves behind."""
    for group in Path(folder).glob("*/__grp__*.json"):
        group.write_text(group.read_text().replace(old, folder))


def _request(candidate: Candidate, call: Inputs, targets: Sequence[str], scratch: str) -> dict[str, Any]:
    tensor_bytes = sum(t.numel() * t.element_size() for t in call.tensors().values())
    return {
        "source": candidate.source,
        "entry": candidate.entry,
        "kind": candidate.kind,
        "args": [_describe(v) for v in call.args.values()],
        "init": [_describe(v) for v in call.init],
        "targets": list(targets),
        "scratch": scratch,
        "readable": [*READABLE, sys.prefix, sys.base_prefix, *library_folders()],
        "memory_bytes": _COMPILER_BYTES + 4 * tensor_bytes,
    }


def _describe(value: Any) -> dict[str, Any]:
    if isinstance(value, torch.Tensor):
        return {"shape": list(value.shape), "stride": list(value.stride()), "dtype": _name(value.dtype)}
    if isinstance(value, torch.dtype):
        return {"is_dtype": _name(value)}
    if isinstance(value, list | tuple):
        return {"list": [_describe(v) for v in value]}
    return {"value": value}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _ask(request: dict[str, Any], scratch: str, timeout_s: float) -> dict[str, Any]:
    """Run the program on `request`; whatever it prints is dropped, and its group is killed when time is up."""
    environment = {k: os.environ[k] for k in ("PATH", "LANG", "LD_LIBRARY_PATH") if k in os.environ}
    environment |= {"HOME": scratch, "TMPDIR": scratch, "TRITON_CACHE_DIR": os.path.join(scratch, "triton")}
    # A file and not a pipe: nobody waits for its reader, and nobody who left the group can keep its end open.
    with tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "tilewright.child.cross_program", str(answer.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(answer.fileno(),),
            start_new_session=True,
            cwd=scratch,
            env=environment,
        )
        try:
            process.communicate(json.dumps(request).encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return {"error": f"compiling took more than {timeout_s:.0f} s"}
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        answer.seek(0)
        text = answer.read(8 << 20)
    if not text:
        return {"error": f"the compiling process ended with exit code {process.returncode} and said nothing"}
    return json.loads(text)
