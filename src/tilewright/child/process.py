"""Starting a child, talking to it with deadlines, and killing it with its whole group."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cache import made_cache_folder
from ..candidate import CandidateError, Status
from . import nursery
from .arena import Arena
from .leftovers import Scratch
from .nursery import Born
from .wire import Wire, WireError, WireTimeout

_KEPT_OUTPUT_BYTES = 64 << 10
_READABLE = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/opt", "/proc", "/sys", "/dev", "/nix", "/run/nvidia")


@dataclass(frozen=True)
class Limits:
    """What a candidate may use: seconds per phase, bytes of memory beyond the interpreter and the arena."""

    start_s: float = 60.0
    load_s: float = 30.0
    first_call_s: float = 60.0
    call_s: float = 20.0
    memory_bytes: int = 4 << 30


class Child:
    """One untrusted process. Every failure of it is raised as CandidateError with a status and one line.

    With `gpu` its arena is memory of that GPU, the only one that it sees. It dies with this process.
    """

    def __init__(
        self,
        arena_bytes: int,
        *,
        limits: Limits | None = None,
        sandbox: str = "auto",
        threads: int | None = None,
        interpret: bool = False,
        gpu: int | None = None,
        writable: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ):
        self.limits = limits or Limits()
        self.threads = threads or len(os.sched_getaffinity(0))
        self.gpu = gpu
        self.arena = Arena(arena_bytes, gpu)
        self._scratch = Scratch()
        self.scratch = self._scratch.path
        self.captured = _Captured()
        self.alive = True
        self.waited_s = 0.0  # the parent's time spent waiting for the child
        self._start(sandbox, interpret, writable, environment or {})

    def _start(self, sandbox: str, interpret: bool, writable: tuple[str, ...], environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        nonce = secrets.token_bytes(16)
        ours.sendall(nonce.hex().encode())
        self.wire = Wire(ours, nonce)
        handed = (theirs.fileno(), self.arena.fd)
        try:
            self._process = nursery.bear(handed, self.scratch, self._environment(interpret, environment))
        except OSError as error:
            self.arena.close()
            self._scratch.close()
            raise CandidateError(Status.INFRA_ERROR, f"no child can be started: {error}") from error
        theirs.close()
        self.captured.follow(self._process)
        caches = [str(made_cache_folder("cpp"))]
        wall = {
            "writable": [self.scratch, *writable],
            "readable": [*_READABLE, sys.prefix, sys.base_prefix, *_library_folders(), *caches],
        }
        settings = {
            "wall": wall, "sandbox": sandbox, "threads": self.threads, "scratch": self.scratch,
            "arena_bytes": self.arena.bytes, "memory_bytes": self.limits.memory_bytes, "cuda": self.gpu is not None,
        }  # fmt: skip
        with contextlib.suppress(WireError):  # a child that is gone already is found out when it should be ready
            self.wire.send(settings)

    @functools.cached_property
    def sandbox(self) -> str:
        """The level of the wall that was reached. Waits until the child is ready, so that several can start at once."""
        try:
            return str(self.wire.receive(self.limits.start_s)["ready"])
        except (WireError, KeyError) as error:
            told = self.captured.text()[-2000:]
            self.close()
            raise CandidateError(Status.INFRA_ERROR, f"the child did not start: {error}. {told}".strip()) from None

    def _environment(self, interpret: bool, more: dict[str, str]) -> dict[str, str]:
        environment = {k: os.environ[k] for k in nursery.PASSED_ENVIRONMENT if k in os.environ}
        environment |= {
            "HOME": self.scratch,
            "TMPDIR": self.scratch,
            "TILEWRIGHT_CACHE": str(made_cache_folder()),
            "OMP_NUM_THREADS": str(self.threads),
            "TORCHINDUCTOR_CACHE_DIR": os.path.join(self.scratch, "inductor"),
            "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no pool of processes beside the one we watch
            "TRITON_CACHE_DIR": os.path.join(self.scratch, "triton"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if self.gpu is None:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        else:
            environment["CUDA_VISIBLE_DEVICES"] = _visible(self.gpu)
            environment["CUDA_CACHE_PATH"] = os.path.join(self.scratch, "cuda")
        if interpret:
            environment["TRITON_INTERPRET"] = "1"
        return environment | more

    def ask(self, op: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """Send one request and return its answer; CandidateError when the child fails, hangs or dies."""
        return self.tell(op, **fields).answer(timeout_s)

    def tell(self, op: str, **fields: Any) -> Child:
        if not self.alive:
            raise CandidateError(Status.INFRA_ERROR, "the child is closed")
        _ = self.sandbox
        with self._dying("before it was asked"):
            self.wire.send({"op": op, **fields})
        return self

    def answer(self, timeout_s: float) -> dict[str, Any]:
        message = self.note(timeout_s)
        if "error" in message:
            raise _verdict(message["error"])
        answer = message.get("ok")
        if not isinstance(answer, dict):
            self.kill()
            raise CandidateError(Status.REWARD_HACK, "the child answered out of turn")
        return answer

    def note(self, timeout_s: float) -> dict[str, Any]:
        """The next frame, whatever it is."""
        start = time.perf_counter()
        try:
            with self._dying("while it ran"):
                return self.wire.receive(timeout_s)
        except WireTimeout:
            self.kill()
            raise CandidateError(Status.TIMEOUT, f"no answer within {timeout_s:.0f} s; killed") from None
        finally:
            self.waited_s += time.perf_counter() - start

    @contextlib.contextmanager
    def _dying(self, when: str) -> Any:
        try:
            yield
        except WireTimeout:
            raise
        except WireError as error:
            how = self._how_it_ended()
            self.kill()
            status = Status.RESOURCE if "SIGKILL" in how else Status.RUNTIME_ERROR
            raise CandidateError(status, f"the child died {when}: {how or error}") from None

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its socket and stayed alive"
        number = -code if code < 0 else code - 128
        if number in set(signal.Signals):
            return f"killed by {signal.Signals(number).name}"
        return f"it left with exit code {code}"

    def kill(self) -> None:
        """Kill the whole group at once. Idempotent."""
        self.alive = False
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the child and give back its memory and scratch folder. Idempotent."""
        if self.alive:
            with contextlib.suppress(WireError):
                self.wire.send({"op": "exit"})
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.5)
        self.kill()
        self.captured.stop()
        self.wire.sock.close()
        self.arena.close()
        self._scratch.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _visible(gpu: int) -> str:
    """What the driver calls the GPU that is number `gpu` in this process."""
    own = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return own[gpu].strip() if own else str(gpu)


class _Captured:
    """Drains what a child prints; keeps the first and the last of it, and how much there was."""

    def __init__(self) -> None:
        self.head = bytearray()
        self.tail = bytearray()
        self.total_bytes = 0
        self._thread: threading.Thread | None = None

    def follow(self, process: Born) -> None:
        self._thread = threading.Thread(target=self._drain, args=(process,), daemon=True)
        self._thread.start()

    def _drain(self, process: Born) -> None:
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
                        continue
                    self._keep(data)

    def _keep(self, data: bytes) -> None:
        self.total_bytes += len(data)
        room = _KEPT_OUTPUT_BYTES // 2 - len(self.head)
        self.head += data[: max(room, 0)]
        self.tail = (self.tail + data[max(room, 0) :])[-_KEPT_OUTPUT_BYTES // 2 :]

    def text(self) -> str:
        time.sleep(0.01)  # what was printed last may still be in the pipe
        cut = self.total_bytes - len(self.head) - len(self.tail)
        middle = f"\n[... {cut} bytes cut ...]\n".encode() if cut > 0 else b""
        return bytes(self.head + middle + self.tail).decode(errors="replace")

    def stop(self) -> None:
        if self._thread is not None:
            self._thread.join(timeout=1)


def _library_folders() -> list[str]:
    """Where imports come from: the folders of sys.path, and those of editable installs, this package's included."""
    package = str(Path(__file__).resolve().parents[1])
    folders = {*map(str, sysconfig.get_paths().values()), *(p for p in sys.path if "site-packages" in p), package}
    return sorted(p for p in folders if os.path.isdir(p))


_OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")
_NO_MEMORY = ("not enough memory", "can't allocate memory", "CUDA error: out of memory", "CUDA out of memory")


def _verdict(error: Any) -> CandidateError:
    """Turn what went wrong in the child into a status."""
    if not isinstance(error, dict):
        return CandidateError(Status.RUNTIME_ERROR, "the child failed without saying how")
    kind, phase = str(error.get("type")), str(error.get("phase"))
    message = str(error.get("message"))[:500]
    memory = kind in _OUT_OF_MEMORY or any(words in message for words in _NO_MEMORY)
    if memory:
        status = Status.RESOURCE
    elif phase == "load" or "CompileError" in kind or "CompilationError" in kind or kind == "InductorError":
        status = Status.COMPILE_ERROR
    else:
        status = Status.RUNTIME_ERROR
    failure = CandidateError(status, message)
    failure.add_note(str(error.get("traceback"))[:8000])
    return failure
