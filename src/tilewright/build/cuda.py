"""CUDA C++ source -> a cubin, with nvcc or with NVRTC from its wheel; its facts; and its launch.

No GPU is needed to compile or to read facts. Kernels are declared `extern "C" __global__`, so that the launcher finds
them by name. Cubins are kept under the user's cache folder by source, target, flags and compiler. Kernels are loaded
and launched through the driver's own library, which every machine with a GPU has.
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
from typing import Any

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


def find_compiler(preferred: str = "nvcc") -> tuple[str, str]:
    """Return ("nvcc" or "nvrtc", its path); CandidateError(INFRA_ERROR) says what to install when there is neither.

    nvcc can be stopped when it takes too long. NVRTC needs no host compiler, starts in no time and comes with torch.
    """
    found = {kind: path for kind, path in (("nvcc", find_nvcc()), ("nvrtc", find_nvrtc())) if path is not None}
    if not found:
        raise CandidateError(Status.INFRA_ERROR, INSTALL_HINT)
    kind = preferred if preferred in found else next(iter(found))
    return kind, found[kind]


def compile_cubin(
    source: str,
    target: str = "sm_90",
    flags: tuple[str, ...] = DEFAULT_FLAGS,
    defines: Mapping[str, object] | None = None,
    timeout_s: float = 120,
    preferred: str = "nvcc",
) -> bytes:
    """Return the cubin of `source` for `target` ("sm_90", "sm_90a"), from the cache if it was built before.

    CandidateError: COMPILE_ERROR with the compiler's first error, COMPILE_TIMEOUT, INFRA_ERROR without a compiler.
    """
    kind, compiler = find_compiler(preferred)
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


class Kernel:
    """A kernel loaded on one GPU, launched on torch's current stream there."""

    def __init__(self, cubin: bytes, name: str, device: int) -> None:
        self.name, self.device = name, device
        self._module, self._function = ctypes.c_void_p(), ctypes.c_void_p()
        _make_current(device)
        _checked("cuModuleLoadData", ctypes.byref(self._module), cubin)
        _checked("cuModuleGetFunction", ctypes.byref(self._function), self._module, name.encode())

    def launch(self, blocks: int, threads: tuple[int, int], *arguments: Any) -> None:
        """Launch `blocks` blocks of `threads` (x, y). Tensors go as pointers, int as int64, float as float."""
        import torch

        _make_current(self.device)
        values = [_ARGUMENTS.get(type(a), _pointer)(a) for a in arguments]
        addresses = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        stream = ctypes.c_void_p(torch._C._cuda_getCurrentRawStream(self.device))
        _checked("cuLaunchKernel", self._function, blocks, 1, 1, *threads, 1, 0, stream, addresses, None)


@cache
def kernel(source: str, name: str, device: int, **defines: object) -> Kernel:
    """Return kernel `name` of `source`, compiled for the GPU `device` with `defines` and loaded there, once.

    CandidateError as `compile_cubin`; RuntimeError carries what the driver says.
    """
    import torch

    major, minor = torch.cuda.get_device_capability(device)
    return Kernel(compile_cubin(source, f"sm_{major}{minor}", defines=defines, preferred="nvrtc"), name, device)


def _pointer(tensor: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


_ARGUMENTS: dict[type, Callable[[Any], Any]] = {int: ctypes.c_int64, float: ctypes.c_float}


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def _checked(call: str, *arguments: Any) -> None:
    code = getattr(_driver(), call)(*arguments)
    if code:
        text = ctypes.c_char_p()
        _driver().cuGetErrorString(code, ctypes.byref(text))
        raise RuntimeError(f"{call}: {(text.value or b'unknown error').decode()} ({code})")


def _make_current(device: int) -> None:
    """A thread that torch has not used yet has no context: give it the one that torch uses on `device`."""
    context = ctypes.c_void_p()
    _checked("cuCtxGetCurrent", ctypes.byref(context))
    if context.value is None:
        _checked("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        _checked("cuCtxSetCurrent", context)


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
