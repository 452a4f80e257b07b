"""Compile facts of a candidate's Triton kernels for GPUs that are not here, from a child behind the same wall."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import torch

from ..build.facts import CompileFacts
from ..candidate import Candidate
from ..problem import Inputs, Problem, Workload
from ..schema import Noun
from .answers import plain
from .leftovers import Scratch
from .process import READABLE
from .process import _library_folders as library_folders
from .values import described

TIMEOUT_S = 300.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_MOST_LEVELS, _LARGEST_BYTES = 4, 64 << 20  # of a Triton cache, which has one level
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
        if keep is not None:
            _copy_cache(compiled, keep)
    finally:
        scratch.close()
    if "error" not in answer:
        try:
            return tuple(NoFacts(**f) if "error" in f else CompileFacts(**f) for f in answer["facts"])
        except (KeyError, TypeError, ValueError):  # the candidate ran in that process
            answer = {"error": "the compiling process said what makes no sense"}
    return tuple(NoFacts(kernel=candidate.name, target=t, error=plain(answer["error"], 500)) for t in targets)


def lend_cache(kept: str, child_scratch: str) -> None:
    """Copy a cache that `cross_compile` kept to where a child looks for compiled kernels. It is a help and no more:
    a child that is in the way does without."""
    _copy_cache(kept, os.path.join(child_scratch, "triton"))


def _copy_cache(source: str, target: str) -> None:
    """Copy the plain files below `source`. Triton's cache names the files of a kernel by their full paths, which are
    made to fit. A candidate may write at either end meanwhile, so that no link is followed: what it could not read or
    write itself, it gets no hold of this way."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(target, 0o700)
        ends = os.open(source, _FOLDER), os.open(target, _FOLDER)
        for end in ends:
            stack.callback(os.close, end)
        _copy_folder(*ends, (source.encode(), target.encode()), _MOST_LEVELS)


def _copy_folder(source: int, target: int, moved: tuple[bytes, bytes], levels: int) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                _copy_file(entry.name, source, target, moved)
            elif entry.is_dir(follow_symlinks=False) and levels:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(entry.name, 0o700, dir_fd=target)
                inner = os.open(entry.name, _FOLDER, dir_fd=source), os.open(entry.name, _FOLDER, dir_fd=target)
                try:
                    _copy_folder(*inner, moved, levels - 1)
                finally:
                    for end in inner:
                        os.close(end)


def _copy_file(name: str, source: int, target: int, moved: tuple[bytes, bytes]) -> None:
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=source), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_BYTES:
            return
        content = file.read(_LARGEST_BYTES)
    if name.startswith("__grp__"):
        content = content.replace(*moved)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=target)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=target), "wb") as file:
        file.write(content)


def _request(candidate: Candidate, call: Inputs, targets: Sequence[str], scratch: str) -> dict[str, Any]:
    tensor_bytes = sum(t.numel() * t.element_size() for t in call.tensors().values())
    return {
        "source": candidate.source,
        "entry": candidate.entry,
        "kind": candidate.kind,
        "args": [described(f"args.{k}", v, _layout) for k, v in call.args.items()],
        "init": [described(f"init.{i}", v, _layout) for i, v in enumerate(call.init)],
        "targets": list(targets),
        "scratch": scratch,
        "readable": [*READABLE, sys.prefix, sys.base_prefix, *library_folders()],
        "memory_bytes": _COMPILER_BYTES + 4 * tensor_bytes,
    }


def _layout(path: str, tensor: torch.Tensor) -> dict[str, Any]:
    return {"shape": list(tensor.shape), "stride": list(tensor.stride()), "dtype": _name(tensor.dtype)}


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
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    return told if isinstance(told, dict) else {"error": "the compiling process said what makes no sense"}
