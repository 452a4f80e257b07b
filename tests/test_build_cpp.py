"""The C++ loader: compiler errors are readable, results are cached, and its text runs without the package."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time

import pytest

from tilewright.build import cpp

VISIBLE = 'extern "C" __attribute__((visibility("default")))'
ANSWER = f"{VISIBLE} int answer() {{ return ANSWER; }}"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path))
    remembered = (cpp._writable_folder, cpp._cache_folders)
    for function in remembered:
        function.cache_clear()
    yield tmp_path / "cpp"
    for function in remembered:
        function.cache_clear()


def test_defines_reach_the_source_and_make_another_library(cache):
    assert cpp.load(ANSWER, {"ANSWER": 41}).answer() == 41
    assert cpp.load(ANSWER, {"ANSWER": True}).answer() == 1
    assert len(list(cache.glob("*.so"))) == 2
    assert not list(cache.glob("*.part"))


def test_second_build_comes_from_the_cache(cache, monkeypatch):
    first = cpp.compile_source(ANSWER, defines={"ANSWER": 7})
    monkeypatch.setattr(cpp, "_run_compiler", lambda *_: pytest.fail("compiled again"))
    assert cpp.compile_source(ANSWER, defines={"ANSWER": 7}) == first


def test_library_in_a_folder_that_cannot_be_written_is_found(cache, monkeypatch, tmp_path):
    first = cpp.compile_source(ANSWER, defines={"ANSWER": 8})
    monkeypatch.setattr(cpp, "_writable_folder", lambda: pytest.fail("looked for a place to write"))
    assert cpp.compile_source(ANSWER, defines={"ANSWER": 8}) == first


def test_compile_error_shows_the_first_errors_and_leaves_nothing(cache):
    with pytest.raises(cpp.CompileError, match=r"error: .*nowhere.* was not declared") as caught:
        cpp.load("int f() { return nowhere; }")
    assert not caught.value.timed_out
    assert list(cache.iterdir()) == []


def test_a_compiler_that_hangs_is_stopped(cache, monkeypatch, tmp_path):
    slow = tmp_path / "slow-g++"
    slow.write_text("#!/bin/sh\ncase $1 in --version) echo slow;; *) sleep 60;; esac\n")
    slow.chmod(0o755)
    monkeypatch.setenv("CXX", str(slow))
    start = time.monotonic()
    with pytest.raises(cpp.CompileError, match=r"more than 0\.3 s") as caught:
        cpp.compile_source(ANSWER, timeout_s=0.3)
    assert caught.value.timed_out
    assert time.monotonic() - start < 20


def test_missing_compiler_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(cpp.CompileError, match="install g"):
        cpp.find_compiler()


def test_loader_text_stands_alone(cache, tmp_path):
    program = tmp_path / "alone.py"
    program.write_text(
        "from __future__ import annotations\nimport sys\nsys.modules['tilewright'] = None\n"
        f"{cpp.loader_text()}\nprint(load({ANSWER!r}, {{'ANSWER': 5}}).answer())\n"
    )
    done = subprocess.run([sys.executable, "-I", str(program)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "5"


def test_openmp_is_on(cache):
    source = f'extern "C" int omp_get_max_threads();\n{VISIBLE} int threads() {{ return _OPENMP > 0; }}'
    assert isinstance(cpp.load(source), ctypes.CDLL)
    assert cpp.load(source).threads() == 1
