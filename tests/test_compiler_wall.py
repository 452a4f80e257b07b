"""The C++ compiler behind the wall: it reads its own headers and nothing of ours, what it makes is found by name."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tilewright.build import cpp
from tilewright.build.cpp import CompileError
from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.child import compiler
from tilewright.child.compiler import compile_walled, prebuild

ANSWER = 'extern "C" __attribute__((visibility("default"))) int answer() { return ANSWER; }'
ENDLESS = "#if __INCLUDE_LEVEL__ < 60\n#include __FILE__\n#include __FILE__\n#endif\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path / "cache"))
    for function in (cpp._writable_folder, cpp._cache_folders):
        function.cache_clear()
    yield tmp_path / "cache" / "cpp"
    for function in (cpp._writable_folder, cpp._cache_folders):
        function.cache_clear()


def test_what_is_made_here_is_what_the_loader_looks_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"ANSWER": 6, "OTHER": True, "NAME": "x"}
    made = compile_walled("#include <cmath>\n#include <vector>\n" + ANSWER, settings)
    assert made.parent == cache and ctypes.CDLL(str(made)).answer() == 6
    assert [p.name for p in cache.iterdir()] == [made.name]
    monkeypatch.setattr(cpp, "_run_compiler", lambda *_: pytest.fail("compiled again"))
    assert cpp.compile_source("#include <cmath>\n#include <vector>\n" + ANSWER, defines=settings) == made
    monkeypatch.setattr(compiler, "_run", lambda *_: pytest.fail("compiled again"))
    assert compile_walled("#include <cmath>\n#include <vector>\n" + ANSWER, settings) == made


def test_other_settings_make_another_library(cache: Path) -> None:
    assert compile_walled(ANSWER, {"ANSWER": 1}) != compile_walled(ANSWER, {"ANSWER": 2})
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("how", ['#include "{}"', "#include <{}>", 'asm(".incbin \\"{}\\"");'])
def test_no_file_of_ours_is_read(how: str, tmp_path: Path, cache: Path) -> None:
    secret = tmp_path / "secret.h"
    secret.write_text("int the_secret = 4711;\n")
    for path in (str(secret), "/etc/passwd", f"/proc/{os.getpid()}/cmdline"):
        with pytest.raises(CompileError, match=r"Permission denied|not found|No such file") as refused:
            compile_walled(how.format(path), {})
        assert "4711" not in str(refused.value) and "root:" not in str(refused.value)
    assert list(cache.iterdir()) == []


def test_errors_name_neither_our_folders_nor_us(cache: Path) -> None:
    with pytest.raises(CompileError, match=r"error: .*nowhere.* was not declared") as refused:
        compile_walled("int f() { return nowhere; }", {})
    assert "tilewright-child" not in str(refused.value)


def test_a_compiler_that_takes_too_long_is_ended_with_all_its_parts(cache: Path) -> None:
    start_s = time.monotonic()
    with pytest.raises(CompileError, match=r"more than 0\.7 s") as refused:
        compile_walled(ENDLESS, {}, timeout_s=0.7)
    assert refused.value.timed_out and time.monotonic() - start_s < 20
    time.sleep(0.2)
    assert "made.so" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_a_name_cannot_be_forged_by_what_divides_its_parts(cache: Path) -> None:
    for source, settings in (("int x;\0-O0", {}), ("int x;", {"A": "1\0-O0"})):
        with pytest.raises(CompileError, match="NUL"):
            compile_walled(source, settings)


LEFT = {
    "a link": lambda path: os.symlink("/etc/passwd", path),
    "a pipe": lambda path: os.mkfifo(path),
    "a folder": lambda path: os.mkdir(path),
    "nothing": lambda path: None,
    "an empty file": lambda path: open(path, "w").close(),
    "something endless": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 1 << 40),
}


@pytest.mark.parametrize("what", LEFT)
def test_only_a_plain_file_is_taken_for_a_library(what: str, tmp_path: Path) -> None:
    LEFT[what](str(tmp_path / "made.so"))
    with pytest.raises(CompileError, match="librar"):
        compiler._content(str(tmp_path / "made.so"))


def test_a_candidates_faults_in_its_source_are_its_verdict(cache: Path) -> None:
    def cpp_candidate(source: str) -> Candidate:
        text = f"SOURCE = {source!r}\nPARAMS = {{}}\ndef f(x): return x"
        return Candidate(name="c", source=text, entry="f", language="cpp")

    for source, timeout_s, status in (
        ("int x", 60.0, Status.COMPILE_ERROR), (ENDLESS, 0.5, Status.COMPILE_TIMEOUT),
        ("int x;\0", 60.0, Status.COMPILE_ERROR), ("#pragma GCC poison int\nint x;", 60.0, Status.COMPILE_ERROR),
    ):  # fmt: skip
        with pytest.raises(CandidateError) as failure:
            prebuild(cpp_candidate(source), timeout_s)
        assert failure.value.status is status
