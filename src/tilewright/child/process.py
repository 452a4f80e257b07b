"""Starting a child, talking to it with deadlines, and killing it with its whole group."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..build import cpp
from ..candidate import CandidateError, Status
from . import nursery
from .answers import failure_of
from .arena import Arena
from .captured import Captured
from .leftovers import Scratch
from .watch import Watch, children
from .wire import SEND_S, Asker, WireError, WireForged, WireTimeout

_SLEPT_BLOCKS, SLEEPY_S = 3, 0.006  # that long, and longer ones
_IDLE_BLOCKS, _IDLE_CALLS = 7, 256  # how often, and how long a schedule is sent
_RESTED_S = 0.025  # a GPU takes longer to begin when it has rested, as it has before every block
_HANDED = 256  # small results, in as many blocks
READABLE: tuple[str, ...] = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/proc", "/sys", "/nix", "/run/nvidia")
# Of /etc what names libraries, users, time and hosts: a user's own limits do not keep root from the rest.
_SETTINGS = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group", "nsswitch.conf", "localtime", "timezone"),
    *("hosts", "host.conf", "resolv.conf", "alternatives", "os-release", "mime.types", "OpenCL", "vulkan", "glvnd"),
)
READABLE += tuple(f"/etc/{name}" for name in _SETTINGS)


@dataclass(frozen=True)
class Limits:
    """What a candidate may use: seconds per phase, bytes of memory beyond the interpreter and the arena."""

    start_s: float = 60.0
    load_s: float = 30.0
    first_call_s: float = 60.0
    call_s: float = 20.0
    memory_bytes: int = 4 << 30
    extension_s: float = 120.0  # to load what compiles against torch's headers, which alone take half a minute
    compile_s: float = 180.0  # for the first call of what torch.compile has to compile then

    def load_s_of(self, source: str) -> float:
        """The seconds that a candidate may take to load: more where its text builds an extension of torch."""
        return max(self.load_s, self.extension_s) if "cpp_extension" in source else self.load_s

    def first_call_s_of(self, source: str) -> float:
        """The seconds that its first call may take: more where its text asks for torch.compile."""
        return max(self.first_call_s, self.compile_s) if "torch.compile" in source else self.first_call_s


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
        self.captured = Captured()
        self.alive = True
        self.asked = 0  # requests so far
        self.heard_s = 0.0  # when it spoke last
        self.rested_s = 0.0  # the time that it was given to come to rest
        self.waited_s = 0.0  # the parent's time spent waiting for the child
        self._start(sandbox, interpret, writable, environment or {})

    def _start(self, sandbox: str, interpret: bool, writable: tuple[str, ...], environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.wire = Asker(ours)
        handed = (theirs.fileno(), self.arena.fd)
        try:
            self._process = nursery.bear(handed, self.scratch, self._environment(interpret, environment))
        except OSError as error:
            ours.close()
            self.arena.close()
            self._scratch.close()
            raise CandidateError(Status.INFRA_ERROR, f"no child can be started: {error}") from error
        finally:
            theirs.close()
        self.captured.follow(self._process)
        more = ["/etc"] if self.gpu is not None else []
        folders = [sys.prefix, sys.base_prefix, *_library_folders(), *map(str, cpp._cache_folders())]
        wall = {
            "writable": [self.scratch, *writable],
            "readable": [*READABLE, *more, *folders],
            "private": "" if self.gpu is not None else self.scratch,
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

    @property
    def pid(self) -> int:
        """Of the process at the top of the child's own, as this process sees it."""
        return self._process.pid

    @functools.cached_property
    def worker(self) -> int | None:
        """The process that runs candidates, at the end of the chain that keeps it; None where it cannot be told."""
        found = self.pid
        while below := children(found):
            found = below[0]
        return found if found != self.pid or "namespaces" not in self.sandbox else None

    @functools.cached_property
    def latency_s(self) -> float:
        """What the parent's clock sees of a timed block of no calls: the median of several. Every session asks for it
        before it loads a candidate, which could stretch it."""
        return statistics.median(self._idle_s(0.0) for _ in range(_IDLE_BLOCKS))

    @functools.cached_property
    def wake_s(self) -> float:
        """How much later the parent learns of the end of a block in which it falls asleep: a processor that nobody
        needs for some milliseconds takes its time to come back, in a virtual machine most of all."""
        slept_s = statistics.median(self._idle_s(SLEEPY_S) for _ in range(_SLEPT_BLOCKS))
        return max(0.0, slept_s - self.latency_s)

    @functools.cached_property
    def hand_over_s(self) -> float:
        """What it takes the child to hand over a small result: the least of several blocks. None is, on a GPU."""
        if self.gpu is not None:
            return 0.0
        mark = self.arena.mark()
        region = self.arena.take(8)
        many_s = min(self._idle_s(0.0, [[region.offset, region.bytes]]) for _ in range(_IDLE_BLOCKS))
        self.arena.release(mark)
        return max(0.0, many_s - self.latency_s) / _HANDED

    def time_messages(self) -> None:
        """Measure, and keep, what messages take. Nothing should run beside it, and no candidate be loaded."""
        _ = self.latency_s, self.wake_s, self.hand_over_s

    def _idle_s(self, busy_s: float, regions: list[list[int]] | None = None) -> float:
        if self.gpu is not None:
            time.sleep(_RESTED_S)
        self.tell("idle", regions=regions or [], results=_HANDED if regions else 0).note(self.limits.call_s)
        watch = Watch()
        self.tell("go", schedule=bytes(_IDLE_CALLS).hex(), busy_ns=int(busy_s * 1e9)).note(self.limits.call_s)
        spent_s = watch.spent_s()
        self.answer(self.limits.call_s)
        return spent_s - busy_s

    def _environment(self, interpret: bool, more: dict[str, str]) -> dict[str, str]:
        environment = {k: os.environ[k] for k in nursery.PASSED_ENVIRONMENT if k in os.environ}
        environment |= {
            "HOME": self.scratch,
            "TMPDIR": self.scratch,
            "TILEWRIGHT_CACHE": str(cpp._writable_folder().parent),
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
        self.asked += 1
        with self._dying("before it was asked"):
            self.wire.send({"op": op, **fields})
        return self

    def answer(self, timeout_s: float) -> dict[str, Any]:
        message = self.note(timeout_s)
        if "error" in message:
            raise failure_of(message["error"])
        answer = message.get("ok")
        if not isinstance(answer, dict):
            self.kill()
            raise CandidateError(Status.REWARD_HACK, "the child answered out of turn")
        return answer

    def note(self, timeout_s: float) -> dict[str, Any]:
        """The next frame, whatever it is."""
        start = time.perf_counter()
        try:
            with self._dying("while it ran", timeout_s):
                return self.wire.receive(timeout_s)
        finally:
            self.heard_s = time.perf_counter()
            self.waited_s += self.heard_s - start

    @contextlib.contextmanager
    def _dying(self, when: str, patience_s: float = SEND_S) -> Iterator[None]:
        try:
            yield
        except WireTimeout:
            self.kill()
            raise CandidateError(Status.TIMEOUT, f"no answer within {patience_s:.0f} s; killed") from None
        except WireForged as error:
            self.kill()
            raise CandidateError(Status.REWARD_HACK, f"the child broke the protocol: {error}") from None
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
                self.wire.send({"op": "exit"}, timeout_s=0.5)
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


def _library_folders() -> list[str]:
    """Where imports come from: the folders of sys.path, and those of editable installs, this package's included."""
    package = str(Path(__file__).resolve().parents[1])
    folders = {*map(str, sysconfig.get_paths().values()), *(p for p in sys.path if "site-packages" in p), package}
    return sorted(p for p in folders if os.path.isdir(p))
