"""The children of an evaluator: a persistent one for a search, fresh ones, and those that torch.compile needs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .build.facts import CompileFacts
from .cache import made_cache_folder
from .candidate import Candidate, CandidateError, Status
from .child.cross import cross_compile, lend_cache
from .child.leftovers import Scratch
from .child.process import Child, Limits
from .child.room import Room, arena_bytes, room_for
from .child.session import Session
from .timed_calls import TimedCalls

_MOST_SERVED = 32  # then a persistent child is replaced: what candidates leave in its heap adds up


class Ahead:
    """Kernels that were compiled on the CPU before a GPU is asked for them, by candidate: a cache, and their facts."""

    def __init__(self) -> None:
        self._scratch = Scratch()
        self._found: dict[str, tuple[str, list[CompileFacts]]] = {}

    def compile(self, candidate: Candidate, calls: TimedCalls) -> None:
        """Compile the candidate's kernels, for a child to find. What fails here, fails there too, or was of no use: the
        verdict is made on the GPU."""
        if candidate.digest in self._found:
            return
        kept = os.path.join(self._scratch.path, candidate.digest)
        found = cross_compile(candidate, calls.problem, calls.workload, [calls.device.arch], keep=kept)
        self._found[candidate.digest] = (kept, [f for f in found if isinstance(f, CompileFacts)])

    def lend(self, candidate: Candidate, child: Child) -> None:
        if candidate.digest in self._found:
            lend_cache(self._found[candidate.digest][0], child.scratch)

    def facts(self, candidate: Candidate) -> list[CompileFacts] | None:
        """Those of the kernels that were found; None where nothing was compiled ahead."""
        return self._found[candidate.digest][1] if candidate.digest in self._found else None

    def close(self) -> None:
        self._scratch.close()


class Children:
    """Starts, lends and ends the children of one evaluator. Not thread-safe, except for `compile_once`."""

    def __init__(self, calls: TimedCalls, ahead: Ahead, *, sandbox: str, limits: Limits, threads: int | None):
        self._calls, self._ahead = calls, ahead
        self._gpu = calls.device.index if calls.device.kind == "cuda" else None
        self._sandbox, self._limits, self._threads = sandbox, limits, threads
        self._kept: dict[str, Child] = {}
        self._closed = False
        self.served = 0  # candidates that the persistent children have run

    @property
    def kept(self) -> list[Child]:
        """Those that are alive between evaluations."""
        return list(self._kept.values())

    def waits_for(self, candidate: Candidate) -> bool:
        """Whether a child has compiled `candidate` and waits to be asked for it."""
        return candidate.digest in self._kept

    @contextlib.contextmanager
    def session(self, candidate: Candidate, fresh: bool) -> Iterator[Session]:
        """A session in the persistent child, or in a fresh one that ends with it."""
        own = fresh or compiles_itself(candidate)
        waiting = None if fresh else self._kept.pop(candidate.digest, None)
        child = waiting or (self.start(candidate) if own else self._persistent(candidate))
        try:
            with self.load(child, candidate) as session:
                yield session
        finally:
            if own:
                child.close()

    def start_ahead(self, candidates: Sequence[Candidate]) -> None:
        """Have the persistent children that `candidates` will be run in come to life, without waiting for them."""
        for candidate in candidates:
            if not compiles_itself(candidate):
                self._kept_alive(self._kind(candidate), candidate)

    def load(self, child: Child, candidate: Candidate) -> Session:
        """A session of `candidate` in `child`. Raises CandidateError."""
        self._ahead.lend(candidate, child)
        return Session(child, candidate, self._calls.problem, self._room())

    def compile_once(self, candidate: Candidate, patience_s: float | None) -> None:
        """Call the candidate once: what it compiled stays in a cache for others, and its child waits for its turn."""
        self._calls.prepare()
        limits = replace(self._limits, first_call_s=patience_s, compile_s=patience_s) if patience_s else self._limits
        child = self._kept[candidate.digest] = self.start(candidate, limits)
        try:
            with Session(child, candidate, self._calls.problem, self._room()) as session:
                session.call(self._calls.inputs[0])
        except BaseException:
            self._kept.pop(candidate.digest, child).close()
            raise

    def start(self, candidate: Candidate, limits: Limits | None = None) -> Child:
        """A fresh child for `candidate`, which the caller closes."""
        if self._closed:
            raise CandidateError(Status.INFRA_ERROR, "the evaluator is closed")
        inductor = str(made_cache_folder("inductor"))
        compiles = compiles_itself(candidate)
        return Child(
            arena_bytes(self._calls.many, self._calls.outputs, self._room()),
            limits=limits or self._limits,
            sandbox=self._sandbox,
            threads=self._threads,
            interpret=self.interprets(candidate),
            gpu=self._gpu,
            writable=(inductor,) if compiles else (),
            environment=_lasting_cache(inductor) if compiles else {},
        )

    def interprets(self, candidate: Candidate) -> bool:
        """On a CPU a Triton candidate runs under Triton's interpreter, which is never timed."""
        return self._gpu is None and candidate.language in ("triton", "gluon")

    def retire(self) -> None:
        """Let the persistent children go; the next candidate starts a new one."""
        for kind in ("interpreter", "native"):
            child = self._kept.pop(kind, None)
            if child is not None:
                child.close()
        self.served = 0

    def close(self) -> None:
        """End every child; what is under way in other threads ends with them, and starts no others."""
        self._closed = True
        for child in self.kept:
            child.close()
        self._kept.clear()

    def _persistent(self, candidate: Candidate) -> Child:
        kind = self._kind(candidate)
        if self.served >= _MOST_SERVED:
            self.retire()
        self.served += 1
        return self._kept_alive(kind, candidate)

    def _kept_alive(self, kind: str, candidate: Candidate) -> Child:
        child = self._kept.get(kind)
        if child is None or not child.alive:
            if child is not None:
                child.close()
            child = self._kept[kind] = self.start(candidate)
        return child

    def _kind(self, candidate: Candidate) -> str:
        return "interpreter" if self.interprets(candidate) else "native"

    def _room(self) -> Room:
        return room_for(self._calls.outputs, self._calls.first_content if self._gpu is None else None)


def compiles_itself(candidate: Candidate) -> bool:
    """Baselines that call torch.compile run in their own process, with a build cache that lasts."""
    return candidate.origin.startswith("compile")


def _lasting_cache(folder: str) -> dict[str, str]:
    """Where torch.compile keeps what it compiled, for later children."""
    return {
        "TORCHINDUCTOR_CACHE_DIR": folder,
        "TRITON_CACHE_DIR": f"{folder}/triton",
        # Inductor keeps precompiled headers beside the temporary files, where each child would make them again.
        "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0",
    }
