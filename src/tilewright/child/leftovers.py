"""Scratch folders of children, and the removal of those whose owner was killed before it could.

The owner holds a lock on the folder itself, which the kernel frees however the owner ends. Whoever gets the lock knows
that nobody owns the folder any more; a process id would not tell, as it may be given to another process, and means
nothing in another container that shares the temporary folder. The id stands in the name for people.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile

PREFIX = "tilewright-child-"


class Scratch:
    """A folder of one child, ours until `close`, however this process ends."""

    def __init__(self) -> None:
        self._lock: int | None
        self.path, self._lock = _make()

    def close(self) -> None:
        """Remove the folder with everything in it. Idempotent."""
        if self._lock is not None:
            _remove(self.path)
            os.close(self._lock)  # the last, so that nobody takes it for abandoned before
            self._lock = None


def remove_abandoned(folder: str | None = None) -> list[str]:
    """Remove the scratch folders below `folder` (default: the temporary folder) that no process owns any more, and
    return their paths. Those of other users, and those on file systems without locks, stay."""
    removed = []
    with contextlib.suppress(OSError), os.scandir(folder or tempfile.gettempdir()) as entries:
        removed = [e.path for e in entries if e.name.startswith(PREFIX) and _removed(e.path)]
    return removed


def scratch_folders(folder: str, owner: int) -> list[str]:
    """The names of those below `folder` that the process `owner` made; none where `folder` cannot be read."""
    try:
        return [name for name in os.listdir(folder) if name.startswith(f"{PREFIX}{owner}-")]
    except OSError:
        return []


def _make() -> tuple[str, int | None]:
    while True:
        path = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        try:
            lock = _open(path)
        except FileNotFoundError:
            continue  # someone took it for abandoned before it was locked
        if _locked(lock) is not False and os.path.isdir(path):
            return path, lock
        os.close(lock)


def _removed(path: str) -> bool:
    try:
        lock = _open(path)
    except OSError:  # another user's, no folder, or gone by now
        return False
    try:
        if os.fstat(lock).st_uid != os.getuid() or not _locked(lock):
            return False
        _remove(path)
        return not os.path.isdir(path)
    finally:
        os.close(lock)


def _remove(path: str) -> None:
    """Remove a folder in which an untrusted process did what it liked; nothing outside of it is touched."""
    try:
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isdir(path):  # there are folders that even their owner may not enter
            os.chmod(path, 0o700)
            for folder, names, _ in os.walk(path):
                for inner in (os.path.join(folder, name) for name in names):
                    if not os.path.islink(inner):
                        os.chmod(inner, 0o700)
            shutil.rmtree(path, ignore_errors=True)
    except (RecursionError, OSError):  # folders in folders, deeper than Python, or a path, can go
        subprocess.run(["/bin/rm", "-rf", "--", path], stderr=subprocess.DEVNULL, check=False)


def _open(path: str) -> int:
    """A descriptor of the folder `path` that no program which is started inherits."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _locked(folder: int) -> bool | None:
    """Whether the lock of the folder is ours now; None on a file system that has none."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
