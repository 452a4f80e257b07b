"""The process that children are forked from: imports torch, then forks one child for each request. Another one, without
torch, forks compilers.

Started as `python -I -m tilewright.child.nursery_program children|compilers CONTROL_FD`. A request is one packet
{folder, environment, compiler, probe} with its descriptors: the child's socket and arena, its stdout and stderr, and
where to write how it ended. It is answered with the child's process id. A request for a compiler has no socket and no
arena: it is run behind the wall. One for a probe has two of its own: what the owner trusts runs there, without a wall,
so that the owner meets no surprise. When the control socket is closed the owner has ended, and so does everything here;
scratch folders go too.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from typing import Any, NoReturn

from tilewright.child import program
from tilewright.child.leftovers import remove_abandoned, scratch_folders
from tilewright.child.sandbox import Wall, enter, may_mount_proc
from tilewright.heap import keep_freed_memory

_REQUEST_BYTES, _DESCRIPTORS = 1 << 17, 5
_STATUS = struct.Struct("=i")
_PATIENCE_S = 5.0  # for an owner that is ending still


def main() -> None:
    what, control = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    owner = os.getppid()
    sys.argv = [""]
    may_mount_proc()  # while a fork is cheap
    if what == "children":
        keep_freed_memory()
        program.import_torch()
    gc.freeze()  # what is here already is never looked at again, so that forks go on sharing it
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    told: dict[int, int] = {}  # where to tell how a child ended
    folders: set[str] = set()  # those that scratch folders lay in
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if woken in ready:
                os.read(woken, 4096)
                _reap(told)
            if control.fileno() in ready and not _bear(control, told, folders):
                break
    _end(told, folders, owner)


def _end(told: dict[int, int], folders: set[str], owner: int) -> NoReturn:
    """End all children, and remove what an owner that was killed could not: nobody holds the lock of its folders.

    The kernel closes the files of a process that ends one by one: the socket that said so here may be closed before the
    lock of a folder is, and what the owner had just forked holds the lock until it has become another program."""
    for pid in told:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    for pid in told:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    deadline = time.monotonic() + _PATIENCE_S
    for folder in folders:
        remove_abandoned(folder)
        while scratch_folders(folder, owner) and time.monotonic() < deadline:
            time.sleep(0.01)
            remove_abandoned(folder)
    os._exit(0)


def _bear(control: socket.socket, told: dict[int, int], folders: set[str]) -> bool:
    """Take one request and fork the child that it asks for; False when the owner has ended."""
    try:
        message, descriptors, *_ = socket.recv_fds(control, _REQUEST_BYTES, _DESCRIPTORS)
    except ConnectionError:
        return False
    if not message:
        return False
    request = json.loads(message)
    pid = os.fork()
    if pid == 0:
        told.clear()
        folders.clear()
        _become_child(request, *descriptors)
    if not request["probe"]:
        folders.add(os.path.dirname(request["folder"]))
    told[pid] = descriptors.pop()
    for descriptor in descriptors:
        os.close(descriptor)
    with contextlib.suppress(OSError):  # an owner that ended before it was answered: the next that is read is its end
        control.send(_STATUS.pack(pid))
    return True


def _reap(told: dict[int, int]) -> None:
    while told and (ended := os.waitpid(-1, os.WNOHANG))[0]:
        with open(told.pop(ended[0]), "wb", 0) as file, contextlib.suppress(BrokenPipeError):  # nobody asks any more
            file.write(_STATUS.pack(ended[1]))


def _become_child(request: dict[str, Any], *descriptors: int) -> None:
    """Go on as a process of its own, with nothing of the nursery's but what is imported."""
    *own, stdout, stderr, _ = descriptors
    try:
        sys.modules["__main__"] = program
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in own:
                with contextlib.suppress(OSError):  # the one that listed them is closed already
                    os.close(int(name))
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        tempfile.tempdir = None
        if request["compiler"]:
            _become_compiler(**request["compiler"])
        if request["probe"]:
            _become_probe(*own)
        program.run(*own)
    except BaseException:  # noqa: BLE001 (the owner reads it where the child prints)
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def _become_probe(request_fd: int, report_fd: int) -> NoReturn:
    """Run the probe's own file, without the package around it, whose import takes longer than most probes."""
    path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "formats", "_probe_main.py")
    spec = importlib.util.spec_from_file_location("probe", path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["__main__"] = probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)
    probe.main(request_fd, report_fd)
    os._exit(0)


def _become_compiler(command: list[str], wall: dict[str, Any], memory_bytes: int, cpu_s: int) -> NoReturn:
    """What bounds this process bounds the program that takes its place, and all that it starts."""
    enter(Wall(tuple(wall["writable"]), tuple(wall["readable"]), file_bytes=wall["file_bytes"], names_itself=True))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
