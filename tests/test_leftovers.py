"""What is left in the temporary folder when a process is killed, and who may remove it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tilewright.child import leftovers
from tilewright.child.leftovers import Scratch, remove_abandoned

OWNER = """
import sys, tempfile
from pathlib import Path
from tilewright.child.leftovers import Scratch
scratch = Scratch()
Path(scratch.path, "deep", "er").mkdir(parents=True)
Path(scratch.path, "deep", "file").write_text("x")
Path(scratch.path, "link").symlink_to(Path(tempfile.gettempdir(), "kept"))
print(scratch.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own, for this process and those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def owner() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_its_owners_until_it_is_killed(temporary: Path) -> None:
    (temporary / "kept").mkdir()
    (temporary / "kept" / "file").write_text("y")
    process, folder = owner()
    assert folder.parent == temporary
    assert f"-{process.pid}-" in folder.name
    assert remove_abandoned() == []
    assert (folder / "deep" / "file").is_file()
    process.kill()
    process.communicate()
    assert remove_abandoned() == [str(folder)]
    assert [p.name for p in temporary.iterdir()] == ["kept"]  # what a link points at is not in the folder
    assert (temporary / "kept" / "file").read_text() == "y"
    assert remove_abandoned() == []


def test_a_closed_folder_is_gone_and_may_be_closed_again(temporary: Path) -> None:
    scratch = Scratch()
    assert os.path.isdir(scratch.path)
    assert os.stat(scratch.path).st_mode & 0o777 == 0o700
    assert remove_abandoned() == []
    scratch.close()
    scratch.close()
    assert list(temporary.iterdir()) == []


def test_nothing_else_is_touched(temporary: Path) -> None:
    target = temporary / "target"
    target.mkdir()
    (temporary / f"{leftovers.PREFIX}1-link").symlink_to(target)
    (temporary / f"{leftovers.PREFIX}1-file").write_text("")
    (temporary / f"tilewright-{os.getuid()}").mkdir()
    before = sorted(temporary.iterdir())
    assert remove_abandoned() == []
    assert sorted(temporary.iterdir()) == before


def test_folders_of_other_users_stay(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temporary / f"{leftovers.PREFIX}1-abandoned").mkdir()
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    assert remove_abandoned() == []
    monkeypatch.setattr(os, "getuid", lambda: mine)
    assert len(remove_abandoned()) == 1


def test_a_file_system_without_locks_keeps_its_folders(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    scratch = Scratch()
    assert remove_abandoned() == []
    assert os.path.isdir(scratch.path)
    scratch.close()


def test_no_folder_is_lost_while_others_are_removed(temporary: Path) -> None:
    """Makers and removers side by side: a new folder is never taken for an abandoned one."""

    def make(_: int) -> bool:
        scratch = Scratch()
        try:
            for _ in range(3):
                remove_abandoned()
            return os.path.isdir(scratch.path)
        finally:
            scratch.close()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(make, range(200)))
    assert list(temporary.iterdir()) == []


def test_a_folder_taken_before_it_was_locked_is_made_again(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tempfile.mkdtemp

    def make(prefix: str) -> str:
        path = made(prefix=prefix)
        if not taken:
            taken.extend(remove_abandoned())
        return path

    taken: list[str] = []
    monkeypatch.setattr(tempfile, "mkdtemp", make)
    scratch = Scratch()
    assert len(taken) == 1
    assert scratch.path not in taken
    assert os.path.isdir(scratch.path)
    scratch.close()


def test_a_temporary_folder_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    assert remove_abandoned(str(tmp_path / "none")) == []
