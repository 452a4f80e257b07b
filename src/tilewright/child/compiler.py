"""Compiling C++ that somebody else wrote, behind the wall.

`#include "/home/me/key"` and `.incbin` read any file that the compiler may read, and show it in an error message or
put it into the library. Here it may read its own headers and libraries, and write one scratch folder. What it made is
copied by this process into the cache, under the name that the source, the flags, the compiler and the processor give.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..build import cpp
from ..build import prebuild as _prebuild
from ..build.cpp import CompileError
from ..candidate import Candidate, CandidateError, Status
from . import nursery
from .captured import Captured
from .leftovers import Scratch
from .nursery import Born

_READABLE = ("/usr", "/lib", "/lib64", "/bin", "/nix", "/etc/ld.so.cache", "/proc/cpuinfo", "/sys/devices/system/cpu")
_TOOLCHAIN = ("bin", "include", "lib", "lib64", "libexec", "share")
_LIBRARY_BYTES = 256 << 20
_MEMORY_BYTES = 3 << 30  # of each process of the compiler


def prebuild(candidate: Candidate, timeout_s: float = 60.0) -> None:
    """As build.prebuild, with the compiler behind the wall."""
    _prebuild(candidate, timeout_s, compile_walled)


def compile_walled(source: str, settings: Mapping[str, object], timeout_s: float = 60.0) -> Path:
    """Return the library made from `source`, from the cache or by a walled compiler; see cpp.compile_source."""
    planned = plan(source, settings)
    if not planned.library.exists():
        scratch = Scratch()
        try:
            written = os.path.join(scratch.path, "source.cpp")
            Path(written).write_text(source, errors="surrogatepass")
            made = os.path.join(scratch.path, "made.so")
            _run((*planned.command, written, "-o", made), scratch.path, timeout_s)
            _keep(planned.library, _content(made))
        finally:
            scratch.close()
    return planned.library


@dataclass(frozen=True)
class Plan:
    """What cpp.compile_source would do: where it finds or leaves the library, and the compiler with all that it is
    given but the source and the output."""

    library: Path
    command: tuple[str, ...]


def plan(source: str, settings: Mapping[str, object], flags: tuple[str, ...] = cpp.DEFAULT_FLAGS) -> Plan:
    """The same library has the same name here and there, so that a child finds what was made here."""
    compiler = cpp.find_compiler()
    macros = [f"-D{k}={int(v) if isinstance(v, bool) else v}" for k, v in sorted(settings.items())]
    parts = (source, *flags, *macros, compiler, cpp._toolchain(compiler))
    if any("\0" in part for part in parts):  # it divides the parts of the key, and would end an argument
        raise CompileError("the C++ source or one of its settings holds a NUL character")
    name = f"{hashlib.sha256(chr(0).join(parts).encode(errors='surrogatepass')).hexdigest()[:32]}.so"
    made = (folder / name for folder in cpp._cache_folders() if (folder / name).exists())
    return Plan(next(made, None) or cpp._writable_folder() / name, (compiler, *flags, *macros, "-x", "c++"))


def _keep(library: Path, content: bytes) -> None:
    handle, partial = tempfile.mkstemp(suffix=".part", dir=library.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(partial, 0o700)
        os.replace(partial, library)  # atomic: another process sees all of it or nothing
    finally:
        Path(partial).unlink(missing_ok=True)


def _run(command: tuple[str, ...], folder: str, timeout_s: float) -> None:
    environment = {k: os.environ[k] for k in ("PATH", "LD_LIBRARY_PATH") if k in os.environ}
    environment |= {"LC_ALL": "C", "HOME": folder, "TMPDIR": folder, "CCACHE_DISABLE": "1"}
    request = {
        "command": command,
        "wall": {
            "writable": [folder],
            "readable": [*_READABLE, *_own_folders(command[0])],
            "file_bytes": _LIBRARY_BYTES,
        },
        "memory_bytes": _MEMORY_BYTES,
        "cpu_s": int(timeout_s) + 1,  # of each process, in case that nobody is there to kill it
    }
    try:
        process = nursery.bear((), folder, environment, request)
    except OSError as error:
        raise CandidateError(Status.INFRA_ERROR, f"no compiler can be started: {error}") from error
    told = Captured()
    told.follow(process)
    code = _wait(process, timeout_s)
    told.stop()
    if code:
        text = told.text().replace(f"{folder}/", "")
        raise CompileError("the C++ compiler refused the source:\n" + (cpp._first_errors(text) or _ended(code)))


def _wait(process: Born, timeout_s: float) -> int:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise CompileError(f"the C++ compiler took more than {timeout_s:g} s", timed_out=True) from None
    finally:
        process.kill()
        process.wait()


def _ended(code: int) -> str:
    return f"it ended with exit code {code} and said nothing"


def _own_folders(compiler: str) -> list[str]:
    """Where a compiler that is not the system's keeps its parts, beside its own `bin`."""
    real = os.path.realpath(compiler)
    folder, prefix = os.path.basename(os.path.dirname(real)), os.path.dirname(os.path.dirname(real))
    parts: list[str] = []
    if folder == "bin":
        with contextlib.suppress(OSError), os.scandir(prefix) as entries:
            parts = [e.path for e in entries if e.name in _TOOLCHAIN or "-linux" in e.name]
    return [compiler, real, *parts]


def _content(path: str) -> bytes:
    """What lies at `path`, where an untrusted process could put anything: a link, a pipe, something endless."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CompileError(f"the C++ compiler left no library: {error.strerror}") from None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= _LIBRARY_BYTES:
            raise CompileError("what the C++ compiler left is no library")
        with os.fdopen(os.dup(file), "rb") as stream:
            return stream.read(_LIBRARY_BYTES)
    finally:
        os.close(file)
