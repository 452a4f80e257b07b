"""CUDA C++ source -> a cubin, with nvcc where there is a toolkit, else with NVRTC from its wheel; and its facts.

No GPU is needed to compile or to read facts. Kernels are declared `extern "C" __global__`, so that the launcher finds
them by name. Cubins are kept under the user's cache folder by source, target, flags and compiler.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from ..cache import made_cache_folder
from ..candidate import CandidateError, Status
from ..schema import content_digest
from .facts import CompileFacts, cubin_facts, first_line

DEFAULT_FLAGS = ("-std=c++17", "--use_fast_math")
INSTALL_HINT = "no CUDA compiler found: install the CUDA toolkit (nvcc), or pip install nvidia-cuda-nvrtc"


@cache
def find_nvcc() -> str | None:
    """Return the path of nvcc ($CUDA_HOME, PATH, /usr/local/cuda), or None."""
    home = os.environ.get("CUDA_HOME") or "/usr/local/cuda"
    return shutil.which(os.path.join(home, "bin", "nvcc")) or shutil.which("nvcc")


@cache
def find_nvrtc() -> str | None:
    """Return the path of the NVRTC library in NVIDIA's wheels or on the library path, or None."""
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(root).glob("*/lib/libnvrtc.so*"), reverse=True):
            return str(path)
    for name in ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


def find_compiler() -> tuple[str, str]:
    """Return ("nvcc" or "nvrtc", its path); CandidateError(INFRA_ERROR) says what to install when there is neither."""
    for kind, path in (("nvcc", find_nvcc()), ("nvrtc", find_nvrtc())):
        if path is not None:
            return kind, path
    raise CandidateError(Status.INFRA_ERROR, INSTALL_HINT)


def compile_cubin(
    source: str,
    target: str = "sm_90",
    flags: tuple[str, ...] = DEFAULT_FLAGS,
    defines: Mapping[str, object] | None = None,
    timeout_s: float = 120,
) -> bytes:
    """Return the cubin of `source` for `target` ("sm_90", "sm_90a"), from the cache if it was built before.

    CandidateError: COMPILE_ERROR with the compiler's first error, COMPILE_TIMEOUT, INFRA_ERROR without a compiler.
    """
    kind, compiler = find_compiler()
    options = (*flags, *(f"-D{k}={v}" for k, v in sorted((defines or {}).items())))
    stamp = f"{compiler} {os.path.getmtime(compiler) if os.path.exists(compiler) else ''}"
    path = _cache_folder() / f"{content_digest(source, target, *options, kind, stamp)}.cubin"
    if path.exists():
        return path.read_bytes()
    build: Callable[..., bytes] = _with_nvcc if kind == "nvcc" else _with_nvrtc
    cubin = build(compiler, source, target, options, timeout_s)
    handle, partial = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(cubin)
    os.replace(partial, path)  # atomic: another process sees all of it or nothing
    return cubin


def facts(kernel: str, cubin: bytes, target: str, threads: int, dynamic_shared_bytes: int = 0) -> CompileFacts:
    """Return the compile facts of `kernel` in `cubin`, launched with `threads` per block."""
    static = cubin_facts(kernel, target, cubin, threads)
    if not dynamic_shared_bytes:
        return static
    return cubin_facts(kernel, target, cubin, threads, static.shared_bytes + dynamic_shared_bytes)


def _cache_folder() -> Path:
    try:
        return made_cache_folder("cuda")
    except OSError:  # a read-only home
        folder = Path(tempfile.gettempdir()) / f"tilewright-{os.getuid()}" / "cuda"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _with_nvcc(nvcc: str, source: str, target: str, options: tuple[str, ...], timeout_s: float) -> bytes:
    with tempfile.TemporaryDirectory(prefix="tilewright-cuda-") as folder:
        text, out = Path(folder) / "kernel.cu", Path(folder) / "kernel.cubin"
        text.write_text(source)
        command = [nvcc, "-cubin", f"-arch={target}", *options, "-o", str(out), str(text)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # nvcc runs cicc and ptxas as children: all must go
            process.communicate()
            raise CandidateError(Status.COMPILE_TIMEOUT, f"nvcc took more than {timeout_s:g} s") from None
        if process.returncode:
            errors = [line for line in said.splitlines() if "error" in line]
            raise CandidateError(Status.COMPILE_ERROR, f"nvcc: {first_line(errors[0] if errors else said)}")
        return out.read_bytes()


def _with_nvrtc(library: str, source: str, target: str, options: tuple[str, ...], timeout_s: float) -> bytes:
    """Compile inside this process: NVRTC parses the text and runs none of it. It cannot be interrupted."""
    nvrtc = ctypes.CDLL(library)
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    try:
        arguments = [f"--gpu-architecture={target}".encode(), *(o.encode() for o in options)]
        failed = nvrtc.nvrtcCompileProgram(program, len(arguments), (ctypes.c_char_p * len(arguments))(*arguments))
        if failed:
            nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            nvrtc.nvrtcGetProgramLog(program, log)
            errors = [line for line in log.value.decode(errors="replace").splitlines() if "error" in line]
            message = errors[0] if errors else f"status {failed}"
            raise CandidateError(Status.COMPILE_ERROR, f"nvrtc: {first_line(message)}")
        nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
        cubin = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetCUBIN(program, cubin)
        return cubin.raw
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
