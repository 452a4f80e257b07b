"""Where children come from: one process that has imported torch, and forks a child whenever it is asked for one.

Importing torch takes a second or more, and a fork some milliseconds. The nursery holds no problem, no candidate and no
secret, opens no GPU and starts no thread of its own, so that a child is as fresh as one that imported torch itself. It
is asked over a socket, is handed the descriptors that the child is to have, and ends, with all children, when this
process does.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from typing import IO, Any

from .leftovers import remove_abandoned

PASSED_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CXX", "CC", "CUDA_HOME", "CUDA_PATH")
CHILDREN, COMPILERS = "children", "compilers"
START_S = 60.0  # for the import of torch, on a busy machine with cold disks
PARTING_S = 1.0  # for one whose children have all ended, at the end of this process
_STATUS = struct.Struct("=i")


class Born:
    """A child: `pid`, what it prints, and how it ended, by the words of subprocess.Popen."""

    def __init__(self, pid: int, stdout: int, stderr: int, status: int):
        self.pid = pid
        self.stdout: IO[bytes] = os.fdopen(stdout, "rb", 0)
        self.stderr: IO[bytes] = os.fdopen(stderr, "rb", 0)
        self.returncode: int | None = None
        self._status = os.fdopen(status, "rb", 0)
        self._waiting = threading.Lock()

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, negative for a signal; subprocess.TimeoutExpired after `timeout` seconds."""
        with self._waiting:
            if self.returncode is None:
                ended = select.poll()
                ended.register(self._status, select.POLLIN)
                if not ended.poll(None if timeout is None else 1000 * timeout):
                    raise subprocess.TimeoutExpired("child", timeout or 0.0)
                told = self._status.read(_STATUS.size)
                # Nothing is told by a nursery that was killed, which takes its children with it.
                self.returncode = os.waitstatus_to_exitcode(_STATUS.unpack(told)[0]) if told else -signal.SIGKILL
                self._status.close()
            return self.returncode

    def kill(self) -> None:
        """Kill its whole group, which may outlive it. Idempotent."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


class Nursery:
    """This process's side of it."""

    def __init__(self, what: str) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(START_S)
        self._asking = threading.Lock()
        self._asked = False
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "tilewright.child.nursery_program", what, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            # What a process is started with stays readable to its children, so it is given no more than they are.
            env={k: os.environ[k] for k in PASSED_ENVIRONMENT if k in os.environ} | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        theirs.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def bear(
        self,
        descriptors: tuple[int, ...],
        folder: str,
        environment: dict[str, str],
        compiler: dict[str, Any] | None = None,
        probe: bool = False,
    ) -> Born:
        """Fork a child that runs `program` with its socket and its arena as `descriptors`, a `compiler` with none, or
        a `probe` with the two that it reads from and reports to. OSError when it cannot."""
        pipes = [os.pipe() for _ in range(3)]  # what it prints, and how it ended
        wanted = {"folder": folder, "environment": environment, "compiler": compiler, "probe": probe}
        request = json.dumps(wanted).encode()
        try:
            with self._asking:
                self._asked = True
                socket.send_fds(self._control, [request], [*descriptors, *(write for _, write in pipes)])
                answer = self._control.recv(_STATUS.size)
            if not answer:
                raise ConnectionResetError("the process that children are forked from has ended")
        except OSError:
            self.close()
            for read, _ in pipes:
                os.close(read)
            raise
        finally:
            for _, write in pipes:
                os.close(write)
        return Born(_STATUS.unpack(answer)[0], *(read for read, _ in pipes))

    def close(self) -> None:
        """End it, and every child of it."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    def leave(self) -> None:
        """Tell it to end, and wait for a moment: where this process is the last of its container, nobody else would
        bury it. One that has borne nothing yet may still import torch, and has nothing to clean up."""
        if not self._asked:
            self.close()
            return
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PARTING_S)


_lock = threading.Lock()
_running: dict[str, Nursery] = {}


def start(what: str = CHILDREN) -> Nursery:
    """Return the nursery of this process for `what`, begun if there is none. That of children is ready a second later;
    nobody waits here."""
    with _lock:
        found = _running.get(what)
        if found is None or not found.alive:
            found = _running[what] = Nursery(what)
            if what == CHILDREN:
                remove_abandoned()  # once per process, while torch is imported
        return found


def bear(
    descriptors: tuple[int, ...],
    folder: str,
    environment: dict[str, str],
    compiler: dict[str, Any] | None = None,
    probe: bool = False,
) -> Born:
    """Fork a child, from a new nursery where the old one was killed. OSError when that fails too."""
    what = COMPILERS if compiler else CHILDREN
    with contextlib.suppress(OSError):
        return start(what).bear(descriptors, folder, environment, compiler, probe)
    return start(what).bear(descriptors, folder, environment, compiler, probe)


def _leave_all() -> None:
    with _lock:
        for one in _running.values():
            one.leave()
        _running.clear()


def _forget() -> None:
    """A fork of this process has no nursery yet: two that ask the same one would take each other's answers."""
    global _running, _lock
    _running, _lock = {}, threading.Lock()


os.register_at_fork(after_in_child=_forget)
atexit.register(_leave_all)
