"""The wall: what a child may no longer do once `enter` has run. Standard library only; Linux x86-64.

Three layers, each used where the kernel grants it, none of which needs root:
  namespaces  own user, network, IPC, PID and mount namespace: no network, no view of other processes or their IPC,
              and every descendant dies with the child;
  landlock    files can be written only below the scratch folder and read only where libraries live; a process outside
              the wall cannot be traced, nor its memory read through /proc;
  seccomp     no ptrace, no reading of other processes' memory, no mounts, no kernel keyrings, no new namespaces.

The number of processes and the bytes of the scratch folder are bounded too, by process 1 of the namespace and by a file
system in memory where the kernel's own limits do not hold.

Resource limits hold in any case. `enter` returns the level that was reached, for the record. A level without landlock
is weak: another process of the same user could be read.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import glob
import os
import platform
import resource
import signal
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_libc = ctypes.CDLL(None, use_errno=True)
_LOOK_S = 0.02  # between two looks at how many tasks there are

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x08000000, 0x10000000, 0x20000000, 0x40000000
_CLONE_NEWNS = 0x00020000
_MS_NOSUID_NODEV, _MS_NOSUID_NODEV_NOEXEC, _MS_REC_PRIVATE = 0x6, 0xE, 0x44000
_LEAVING_SYSCALLS = (109, 112)  # setpgid, setsid
_CLONE, _CLONE3, _CLONE_NEW_ANY = 56, 435, 0x7E020000
_LANDLOCK_CREATE, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_RULE_PATH_BENEATH = 1
_CAPSET = 126
_READ_RIGHTS = 0b1101  # execute, read a file, read a folder
_FILE_RIGHTS = 0b0111 | 1 << 14 | 1 << 15  # those that make sense on a file: execute, write, read, truncate, ioctl

_HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_SHARED_DEVICES = {
    "mem", "kmem", "port", "kmsg", "block", "disk", "mapper", "loop-control", "pts", "ptmx", "fuse",
    "shm", "mqueue", "hugepages",
}  # fmt: skip

# x86-64 system calls that no kernel needs and that reach beyond the wall.
_DENIED_SYSCALLS = {
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "pidfd_getfd": 438,
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
    "open_by_handle_at": 304, "bpf": 321, "userfaultfd": 323, "keyctl": 250, "add_key": 248, "request_key": 249,
    "kexec_load": 246, "init_module": 175, "finit_module": 313, "delete_module": 176, "reboot": 169,
    "io_uring_setup": 425, "move_mount": 429, "open_tree": 428, "fsopen": 430,
}  # fmt: skip


@dataclass(frozen=True)
class Wall:
    """What `enter` is asked for: folders that stay writable or readable, limits (processes and threads of its own,
    bytes per file), and whether CUDA must work inside: its driver opens device files, and names its threads through
    /proc. `names_itself`: programs inside find themselves through /proc. `private`: a folder that nobody else needs to
    see is replaced by one in memory, of `private_bytes` in all, that ends with the process."""

    writable: tuple[str, ...]
    readable: tuple[str, ...]
    processes: int = 256
    file_bytes: int = 1 << 30
    cuda: bool = False
    names_itself: bool = False
    private: str = ""
    private_bytes: int = 1 << 30


def is_weak(level: str) -> bool:
    """Whether a candidate at this level could read another process of the same user."""
    return "landlock" not in level


def enter(wall: Wall, wanted: str = "auto") -> str:
    """Put the calling process behind the wall and return the level reached, for example
    "namespaces+landlock+seccomp", or "limits". `wanted` is "auto", "files" to do without namespaces (tools that find
    themselves through /proc fail in a PID namespace), or "limits" to ask for nothing more.

    With namespaces the caller is replaced: this function returns only in a grandchild, while the caller waits for it
    and ends as it ended.
    """
    _die_with_parent()
    reached = []
    if wanted != "limits":
        isolated, ends_with_us = _enter_namespaces(wall) if wanted == "auto" else (False, False)
        if isolated:
            reached.append("namespaces")
        _set_limits(wall)  # while it may still look at /proc
        _check_prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if _enter_landlock(wall):
            reached.append("landlock")
        _drop_capabilities()
        if _enter_seccomp(stay_in_group=not ends_with_us):
            reached.append("seccomp")
    else:
        _set_limits(wall)
    return "+".join(reached) or "limits"


def _check_prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _die_with_parent() -> None:
    parent = os.getppid()
    _check_prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died between the two lines
        os.kill(os.getpid(), signal.SIGKILL)


def _drop_capabilities() -> None:
    """Become an ordinary user in all but name: some capabilities of root pass by landlock."""
    header = struct.pack("=Ii", 0x20080522, 0)
    if _libc.syscall(_CAPSET, header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset refused to drop the capabilities")


def _tasks_of_user() -> int:
    """The threads that this user runs already anywhere: without namespaces the kernel counts them too."""
    count, user = 0, os.getuid()
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):  # it may have ended by now
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _set_limits(wall: Wall) -> None:
    for what, limit in (
        (resource.RLIMIT_FSIZE, wall.file_bytes),
        (resource.RLIMIT_NPROC, _tasks_of_user() + wall.processes),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (limit, limit))


def limit_memory(more_bytes: int, *, cuda: bool = False) -> None:
    """Let the process map `more_bytes` beyond what it has mapped now. CUDA maps device memory and reserves addresses
    by the hundred gigabytes, so beside it only writable private memory counts."""
    field, what = (5, resource.RLIMIT_DATA) if cuda else (0, resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")
    limit = mapped + more_bytes
    hard = resource.getrlimit(what)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(what, (limit, limit))


def _enter_namespaces(wall: Wall) -> tuple[bool, bool]:
    """Return whether it did, and whether every descendant ends with this process, in a PID namespace of its own.

    A PID namespace that cannot have a /proc of its own, in which processes find themselves, is done without where
    that is needed. CUDA does not start otherwise."""
    own_proc = may_mount_proc()
    pids = 0 if (wall.cuda or wall.names_itself) and not own_proc else _CLONE_NEWPID
    if not _unshare(pids | (_CLONE_NEWNS if own_proc else 0)):
        return False, False
    if pids:
        _continue_in_fork()  # becomes process 1 of the new PID namespace, whose end ends all
        if own_proc:
            _mount_proc()
            _mount_private(wall)
        # An ordinary process below it: signals to oneself work as usual.
        _continue_in_fork(wall.processes if own_proc and os.getuid() == 0 else None)
    return True, bool(pids)


def _unshare(more: int) -> bool:
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC | more) != 0:
        return False
    try:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1")
        _write("/proc/self/gid_map", f"{gid} {gid} 1")
    except OSError:
        pass  # unmapped ids: files look owned by nobody, which a candidate has no business to care about
    return True


@functools.cache
def may_mount_proc() -> bool:
    """Try it in a process that ends: containers that hide parts of /proc refuse it, and then it is too late. The
    answer is kept, also in forks: a large process that forks takes a hundredth of a second for it."""
    trial = os.fork()
    if trial:
        return os.waitpid(trial, 0)[1] == 0
    if not _unshare(_CLONE_NEWPID | _CLONE_NEWNS):
        os._exit(1)
    first = os.fork()
    if first == 0:
        os._exit(0 if _mount_proc() else 1)
    os._exit(1 if os.waitpid(first, 0)[1] else 0)


def _mount_proc() -> bool:
    """Let /proc show the processes of our own namespace only."""
    private = _libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC_PRIVATE), None) == 0
    flags = ctypes.c_ulong(_MS_NOSUID_NODEV_NOEXEC)
    return private and _libc.mount(b"proc", b"/proc", b"proc", flags, None) == 0


def _mount_private(wall: Wall) -> None:
    """Bound what can be written in all; where the kernel refuses, each file is bounded still."""
    if wall.private:
        options = f"size={wall.private_bytes},nr_inodes=65536,mode=0700".encode()
        flags = ctypes.c_ulong(_MS_NOSUID_NODEV)
        if _libc.mount(b"tmpfs", wall.private.encode(), b"tmpfs", flags, options) == 0:
            os.chdir(wall.private)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _continue_in_fork(most_tasks: int | None = None) -> None:
    """Fork; the new process returns, the old one waits for it and dies in the same way, or, as process 1 of a PID
    namespace, as soon as there are more than `most_tasks`: the kernel holds root to no number of processes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        _die_with_parent()
        return
    before = _tasks_of_machine()
    while True:  # reap whatever was orphaned, until our own child ends
        if most_tasks is None:
            pid, status = os.wait()
        else:
            signal.sigtimedwait({signal.SIGCHLD}, _LOOK_S)
            if _tasks_of_machine() - before > most_tasks and _tasks_of_user() > most_tasks:
                os._exit(128 + signal.SIGKILL)
            pid, status = os.waitpid(-1, os.WNOHANG)
        if pid != child:
            continue
        if os.WIFSIGNALED(status):
            os._exit(128 + os.WTERMSIG(status))
        os._exit(os.WEXITSTATUS(status))


def _tasks_of_machine() -> int:
    with open("/proc/loadavg") as file:
        return int(file.read().split()[3].partition("/")[2])


def _enter_landlock(wall: Wall) -> bool:
    abi = _libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return False
    file_rights = (1 << 13) - 1  # the rights of ABI 1; later ones are handled where the kernel knows them
    file_rights |= (1 << 13 if abi >= 2 else 0) | (1 << 14 if abi >= 3 else 0)
    network_rights = 0b11 if abi >= 4 else 0
    scoped = 0b11 if abi >= 6 else 0  # signals and abstract sockets stay inside
    attributes = struct.pack("QQQ", file_rights, network_rights, scoped)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = _libc.syscall(_LANDLOCK_CREATE, attributes, size, 0)
    if ruleset < 0:
        return False
    try:
        _allow(ruleset, wall.readable, _READ_RIGHTS & file_rights)
        _allow(ruleset, wall.writable, file_rights)
        _allow(ruleset, _HARMLESS_DEVICES, file_rights)
        if wall.cuda:
            _allow(ruleset, _other_devices(), _READ_RIGHTS & file_rights)
            _allow(ruleset, [*glob.glob("/dev/nvidia*"), "/proc/self/task"], file_rights)
        return _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _other_devices() -> list[str]:
    """What lies in /dev but disks and memory, which hold what is everybody's.

    Links are not followed: they lead to a device that is listed itself, or out of /dev (`core` to the memory of the
    kernel, `stderr` to a pipe, for which landlock takes no rule)."""
    found = []
    with os.scandir("/dev") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_symlink() or entry.name in _SHARED_DEVICES:
                    continue
                if not stat.S_ISBLK(entry.stat().st_mode):
                    found.append(entry.path)
    return found


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOTDIR):
                continue
            raise
        try:
            granted = rights if os.path.isdir(path) else rights & _FILE_RIGHTS
            rule = struct.pack("=Qi", granted, folder)
            if _libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0) != 0:
                raise OSError(ctypes.get_errno(), f"landlock refused a rule for {path}")
        finally:
            os.close(folder)


def _enter_seccomp(stay_in_group: bool) -> bool:
    """`stay_in_group`: make as if a process had left its group, which is all that is killed where there is no PID
    namespace to end."""
    if platform.machine() != "x86_64":
        return False

    def instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
        return struct.pack("=HBBI", code, jump_true, jump_false, value)

    load, equal, above, any_bit, end = 0x20, 0x15, 0x35, 0x45, 0x06
    kill, allow, deny = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
    program = [
        instruction(load, 0, 0, 4),  # the architecture
        instruction(equal, 1, 0, 0xC000003E),
        instruction(end, 0, 0, kill),
        instruction(load, 0, 0, 0),  # the number of the system call
        instruction(above, 0, 1, 0x40000000),  # the x32 numbers
        instruction(end, 0, 0, deny),
    ]
    for number in _DENIED_SYSCALLS.values():
        program += [instruction(equal, 0, 1, number), instruction(end, 0, 0, deny)]
    for number in _LEAVING_SYSCALLS if stay_in_group else ():
        program += [instruction(equal, 0, 1, number), instruction(end, 0, 0, 0x00050000)]
    program += [
        instruction(equal, 0, 1, _CLONE3),  # its flags lie in memory, out of sight; libc goes on with clone
        instruction(end, 0, 0, 0x00050000 | errno.ENOSYS),
        instruction(equal, 0, 3, _CLONE),
        instruction(load, 0, 0, 16),  # the lower half of the first argument, its flags
        instruction(any_bit, 0, 1, _CLONE_NEW_ANY),
        instruction(end, 0, 0, deny),
        instruction(end, 0, 0, allow),
    ]
    code = ctypes.create_string_buffer(b"".join(program))

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    filter_ = Filter(len(program), ctypes.addressof(code))
    return _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(filter_), 0, 0) == 0
