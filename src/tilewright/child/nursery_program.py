"""The process that children are forked from: imports torch, then forks one child for each request.

Started as `python -I -m tilewright.child.nursery_program CONTROL_FD`. A request is one packet {folder, environment}
with five descriptors: the child's socket and arena, its stdout and stderr, and where to write how it ended. It is
answered with the child's process id. When the socket is closed the owner has ended, and so does everything here.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
import tempfile
import traceback

from tilewright.child import program
from tilewright.heap import keep_freed_memory

_REQUEST_BYTES, _DESCRIPTORS = 1 << 17, 5
_STATUS = struct.Struct("=i")


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.argv = [""]
    keep_freed_memory()
    program.import_torch()
    gc.freeze()  # what is here already is never looked at again, so that forks go on sharing it
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    told: dict[int, int] = {}  # where to tell how a child ended
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if woken in ready:
                os.read(woken, 4096)
                _reap(told)
            if control.fileno() in ready and not _bear(control, told):
                break
    for pid in told:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    os._exit(0)


def _bear(control: socket.socket, told: dict[int, int]) -> bool:
    """Take one request and fork the child that it asks for; False when the owner has ended."""
    message, descriptors, *_ = socket.recv_fds(control, _REQUEST_BYTES, _DESCRIPTORS)
    if not message:
        return False
    pid = os.fork()
    if pid == 0:
        _become_child(json.loads(message), *descriptors)
    told[pid] = descriptors.pop()
    for descriptor in descriptors:
        os.close(descriptor)
    control.send(_STATUS.pack(pid))
    return True


def _reap(told: dict[int, int]) -> None:
    while told and (ended := os.waitpid(-1, os.WNOHANG))[0]:
        with open(told.pop(ended[0]), "wb", 0) as file, contextlib.suppress(BrokenPipeError):  # nobody asks any more
            file.write(_STATUS.pack(ended[1]))


def _become_child(request: dict[str, object], wire: int, arena: int, stdout: int, stderr: int, status: int) -> None:
    """Go on as a process of its own, with nothing of the nursery's but what is imported."""
    try:
        sys.modules["__main__"] = program
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in (wire, arena):
                with contextlib.suppress(OSError):  # the one that listed them is closed already
                    os.close(int(name))
        os.chdir(str(request["folder"]))
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[arg-type, call-overload]
        tempfile.tempdir = None
        program.run(wire, arena)
    except BaseException:  # noqa: BLE001 (the owner reads it where the child prints)
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
