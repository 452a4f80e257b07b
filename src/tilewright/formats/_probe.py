"""Try a problem file in a process of its own before the trusted process imports it.

A user trusts the problem files he hands us, yet such a file may hang, print without end, call sys.exit, or kill its
process. The probe meets all that first, under limits, and turns it into one line and an exit code.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from ._errors import InputError, MachineError
from ._source import Source

LOAD_TIMEOUT_S = 30.0
FORWARD_S = 5.0
OUTPUT_LIMIT_BYTES = 1 << 20

_STAGES = {
    "start": "starting Python",
    "import": "importing it",
    "shapes": "finding its shapes",
    "inputs": "get_inputs()",
    "model": "building Model",
    "forward": "Model.forward",
    "draw": "making its inputs",
    "reference": "its reference",
}
_NO_GPU = re.compile(r"not compiled with CUDA|no NVIDIA driver|No CUDA GPUs|CUDA driver|libcuda|0 active drivers", re.I)
_PACKAGES = "einops|transformers|timm|torchvision|triton|aiter|flashinfer|cutlass|tilelang|safetensors|scipy"
_NO_PACKAGE = re.compile(rf"No module named '({_PACKAGES})[.']")
_NO_MEMORY = re.compile(r"can't allocate memory|out of memory|Cannot allocate memory|not enough memory", re.I)


def probe(source: Source, format: str, timeout_s: float = LOAD_TIMEOUT_S) -> dict[str, Any]:
    """Import `source` in a fresh process and return the facts found there.

    Raises InputError (the file is at fault) or MachineError (no GPU, too little memory), with one line each.
    """
    request = {
        "path": source.path,
        "text": source.text,
        "format": format,
        "memory_bytes": available_bytes(),
        "forward_s": min(FORWARD_S, timeout_s / 2),
        "modules": [p or os.getcwd() for p in sys.path],
        "environment": dict(os.environ),
        "folder": os.getcwd(),
    }
    asked, report = _pipe_with(json.dumps(request).encode()), os.pipe()
    try:
        process = launch(asked, report[1])
    except BaseException:
        os.close(report[0])
        raise
    finally:
        os.close(asked)
        os.close(report[1])
    try:
        messages, printed, timed_out = _watch(process, report[0], timeout_s)
    finally:
        _end(process)
    if printed > OUTPUT_LIMIT_BYTES:
        logging.getLogger("tilewright").warning("%s printed %.0f MB; it was discarded", source.path, printed / 2**20)
    return _judge(source, messages, timed_out, process.wait(), timeout_s)


class Launched(Protocol):
    """A process under way, in a group of its own: by the words of subprocess.Popen."""

    pid: int

    @property
    def stdout(self) -> IO[bytes] | None: ...

    @property
    def stderr(self) -> IO[bytes] | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def start_afresh(request_fd: int, report_fd: int) -> Launched:
    """Run `_probe_main` in a fresh interpreter; it reads its request from one descriptor and reports to the other."""
    return subprocess.Popen(
        [sys.executable, "-P", str(Path(__file__).with_name("_probe_main.py")), str(request_fd), str(report_fd)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(request_fd, report_fd),
        start_new_session=True,
    )


# Who has a process at hand that has imported torch already puts a quicker way here (child.probes).
launch: Callable[[int, int], Launched] = start_afresh


def _pipe_with(content: bytes) -> int:
    """A descriptor that `content` can be read from, however long it is."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return os.dup(file.fileno())


def available_bytes() -> int:
    """Return the memory in bytes that this process may still use: the machine's, or its container's or its own limit
    (ulimit -d) if less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")]
    own, _ = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        limits = [int(fields["MemAvailable"].split()[0]) << 10]
        group = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        if group.isdigit():
            limits.append(int(group) - used)
    except (OSError, KeyError, ValueError):
        pass  # an older kernel: the page count above is what we know
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    return max(min(limits), 64 << 20)


def error_of(source: Source, stage: str, kind: str, message: str) -> InputError:
    """Turn what `source` raised during `stage` into the error that a user reads."""
    line = " ".join(message.split())
    line = line if len(line) <= 300 else line[:297] + "..."
    if _NO_GPU.search(message):
        return MachineError(f"{source.path} needs a CUDA GPU, and this machine has none ({line})")
    if missing := _NO_PACKAGE.search(message):
        return MachineError(f"{source.path} needs {missing[1]}; install it with: pip install {missing[1]}")
    if kind == "memory" or _NO_MEMORY.search(message):
        return MachineError(f"{source.path} does not fit into memory: {_sizes(message)}")
    what = {"import": "cannot be imported"}.get(stage, f"fails in {_STAGES.get(stage, stage)}")
    return InputError(f"{source.path} {what}: {line}")


def _sizes(message: str) -> str:
    have = f"{available_bytes() / 2**30:.1f} GiB are available"
    if message.startswith("{"):
        facts = json.loads(message)
        shapes = ", ".join(f"{t['dtype']}{t['shape']}" for t in facts["inputs"] if t["kind"] == "tensor")
        return f"inputs {shapes} and weights take {facts['bytes'] / 2**30:.1f} GiB, and {have}"
    asked = re.search(r"allocate (\d+) bytes", message)
    return f"it asks for {int(asked[1]) / 2**30:.1f} GiB at once, and {have}" if asked else have


def _watch(process: Launched, report_fd: int, timeout_s: float) -> tuple[list[dict[str, Any]], int, bool]:
    """Drain output and reports; return (messages, bytes printed, whether it timed out)."""
    lines: list[bytes] = []
    printed = [0, 0]
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        threading.Thread(target=_read_lines, args=(os.fdopen(report_fd, "rb"), lines), daemon=True),
        threading.Thread(target=_drain, args=(process.stdout, printed, 0), daemon=True),
        threading.Thread(target=_drain, args=(process.stderr, printed, 1), daemon=True),
    ]
    for reader in readers:
        reader.start()
    deadline = time.monotonic() + timeout_s
    import torch  # noqa: F401 - takes a second that the probe needs too, so both take it at once

    try:
        process.wait(max(deadline - time.monotonic(), 0.1))
        timed_out = False
    except subprocess.TimeoutExpired:
        timed_out = True
    _end(process)
    for reader in readers:
        reader.join(2.0)
    return [json.loads(line) for line in lines if line.startswith(b"{")], sum(printed), timed_out


def _read_lines(stream: IO[bytes], lines: list[bytes]) -> None:
    with stream:
        lines.extend(stream)


def _drain(stream: IO[bytes], printed: list[int], which: int) -> None:
    with stream:
        while chunk := os.read(stream.fileno(), 1 << 16):
            printed[which] += len(chunk)


def _end(process: Launched) -> int:
    """Kill the whole process group, wait for its leader, and return its exit code."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it may be gone already
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _judge(
    source: Source, messages: list[dict[str, Any]], timed_out: bool, code: int, timeout_s: float
) -> dict[str, Any]:
    stage = next((m["stage"] for m in reversed(messages) if "stage" in m), "start")
    last = messages[-1] if messages else {}
    if "facts" in last:
        return last["facts"]
    if "error" in last:
        error = last["error"]
        if error["kind"] in ("input", "machine"):  # one line of ours already
            raise (MachineError if error["kind"] == "machine" else InputError)(error["message"])
        if error["kind"] == "exit":
            raise InputError(f"{source.path} calls {error['message']} while {_STAGES[stage]}; remove the call")
        kind = f"{error['type']}: " if error.get("type") else ""
        raise error_of(source, stage, error["kind"], kind + error["message"] if kind else error["message"])
    if timed_out:
        raise InputError(
            f"{source.path} hangs: {_STAGES[stage]} took longer than {timeout_s:g} s (allow more with --load-timeout)"
        )
    if code < 0:
        raise InputError(f"{source.path} dies by {signal.Signals(-code).name} while {_STAGES[stage]}")
    raise InputError(
        f"{source.path} ends its process (exit code {code}) while {_STAGES[stage]}; it must return instead"
    )
