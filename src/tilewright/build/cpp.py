"""C++ source -> a shared library loaded in this process, compiled once per source, settings, compiler and CPU.

Standard library only. The text between the two marks below is also written into every exported C++ candidate, so that
a candidate is one file that runs without this package.
"""

from __future__ import annotations

# [loader]
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

DEFAULT_FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-fvisibility=hidden", "-w"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fno-exceptions", "-fno-rtti"),
)


class CompileError(Exception):
    """The compiler is missing, refused the source, or took too long. `timed_out` tells the last case apart."""

    def __init__(self, message: str, timed_out: bool = False):
        super().__init__(message)
        self.timed_out = timed_out


def find_compiler() -> str:
    """Return the path of $CXX, g++ or clang++, whichever is found first; CompileError says what to install."""
    for name in (os.environ.get("CXX", "").strip(), "g++", "clang++"):
        path = shutil.which(name) if name else None
        if path:
            return path
    raise CompileError("no C++ compiler found: install g++ (Debian: apt-get install g++) or set CXX to one")


@functools.cache
def _toolchain(compiler: str) -> str:
    """The compiler's version and the CPU's features: what `-march=native` code depends on besides its source."""
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    cpu = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu += "".join(sorted({line for line in lines if line.startswith(("flags", "model name", "Features"))}))
    except OSError:
        cpu += platform.processor()
    return version.splitlines()[0] + cpu if version else compiler + cpu


@functools.cache
def _cache_folders() -> tuple[Path, ...]:
    """Where libraries may lie, best first: $TILEWRIGHT_CACHE/cpp, the user's cache folder, the temporary folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    scratch = os.path.join(tempfile.gettempdir(), f"tilewright-{os.getuid()}")
    roots = [os.environ.get("TILEWRIGHT_CACHE"), os.path.join(base, "tilewright"), scratch]
    if os.path.isdir(scratch) and os.stat(scratch).st_uid != os.getuid():
        roots.pop()  # a folder that another user made in a shared place is not ours to load code from
    return tuple(Path(root) / "cpp" for root in roots if root)


@functools.cache
def _writable_folder() -> Path:
    for folder in _cache_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="tilewright-cpp-"))


def _first_errors(text: str, count: int = 5) -> str:
    lines = [line for line in text.splitlines() if "error" in line.lower() or "undefined" in line]
    return "\n".join((lines or text.splitlines())[:count])


def _run_compiler(command: list[str], source: str, timeout_s: float) -> None:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        _, errors = process.communicate(source, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # g++ runs cc1plus as a child: both must go
        process.communicate()
        raise CompileError(f"the C++ compiler took more than {timeout_s:g} s", timed_out=True) from None
    if process.returncode:
        raise CompileError("the C++ compiler refused the source:\n" + _first_errors(errors))


def compile_source(
    source: str, flags: tuple[str, ...] = DEFAULT_FLAGS, defines: Mapping[str, object] | None = None,
    timeout_s: float = 60,
) -> Path:  # fmt: skip
    """Return the path of the shared library made from `source`, building it unless it is in the cache.

    `defines` become `-DNAME=value` (True and False become 1 and 0). Raises CompileError with the first errors.
    """
    compiler = find_compiler()
    macros = [f"-D{k}={int(v) if isinstance(v, bool) else v}" for k, v in sorted((defines or {}).items())]
    key = "\0".join((source, *flags, *macros, compiler, _toolchain(compiler)))
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.so"
    for folder in _cache_folders():
        if (folder / name).exists():  # also in a folder that may only be read here, filled by another process
            return folder / name
    library = _writable_folder() / name
    handle, partial = tempfile.mkstemp(suffix=".part", dir=library.parent)
    os.close(handle)
    try:
        _run_compiler([compiler, *flags, *macros, "-x", "c++", "-", "-o", partial], source, timeout_s)
        os.replace(partial, library)  # atomic: another process sees all of it or nothing
    finally:
        Path(partial).unlink(missing_ok=True)
    return library


def load(
    source: str, defines: Mapping[str, object] | None = None, flags: tuple[str, ...] = DEFAULT_FLAGS,
    timeout_s: float = 60,
) -> ctypes.CDLL:  # fmt: skip
    """Compile `source` if need be and load it; its functions are those declared `extern "C"` and visible."""
    return ctypes.CDLL(str(compile_source(source, flags, defines, timeout_s)))


# [/loader]


def loader_text() -> str:
    """Return the loader's source text, to be written into a candidate that must run without this package."""
    return Path(__file__).read_text().split("# [loader]\n", 1)[1].split("# [/loader]", 1)[0]
