"""Files that do not import, hang, print without end, exit or die: one clear line, the right exit code, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tilewright.formats import InputError, MachineError, load_problem

Write = Callable[[str, str], str]

MODEL = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return x + 1
def get_inputs():
    return [torch.rand(8)]
def get_init_inputs():
    return []
"""

BAD = {
    "does not parse": ("def f(:\n", 2, "is not valid Python: line 1"),
    "does not import": ("import no_such_module_at_all\n" + MODEL, 2, "cannot be imported: ModuleNotFoundError"),
    "has no Model": ("x = 1\n", 2, "defines neither Model with get_inputs() nor PROBLEM"),
    "has no get_inputs": (MODEL.replace("get_inputs", "inputs"), 2, "no get_inputs()"),
    "is a candidate": (MODEL.replace("Model(", "ModelNew("), 2, "name its problem with --problem"),
    "calls sys.exit": ("import sys\nsys.exit(3)\n" + MODEL, 2, "calls sys.exit(3)"),
    "ends its process": ("import os\nos._exit(0)\n" + MODEL, 2, "ends its process (exit code 0) while importing it"),
    "dies by a signal": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n" + MODEL, 2, "dies by SIGSEGV"),
    "raises in get_inputs": (MODEL.replace("[torch.rand(8)]", "1 / 0"), 2, "fails in get_inputs(): ZeroDivisionError"),
    "raises in forward": (MODEL.replace("x + 1", "x @ torch.rand(3, 3)"), 2, "fails in Model.forward: RuntimeError"),
    "wrong number of inputs": (MODEL.replace("[torch.rand(8)]", "[torch.rand(8)] * 2"), 2, "Model.forward: TypeError"),
    "has no tensor input": (MODEL.replace("[torch.rand(8)]", "[3]"), 2, "gives no tensor"),
    "does not fit memory": (MODEL.replace("rand(8)", "rand(1 << 40, 3)"), 3, "float32[1099511627776, 3]"),
    "asks for too much at import": ("import torch\nx = torch.ones(1 << 45)\n" + MODEL, 3, "asks for 131072.0 GiB"),
    "PROBLEM is no Problem": ("PROBLEM = 3\n", 2, "must be a tilewright.Problem"),
}


@pytest.mark.parametrize("what", BAD)
def test_one_clear_line(write: Write, tilewright: Callable[..., Any], what: str) -> None:
    text, code, message = BAD[what]
    ended = tilewright("problem", "validate", write("problem.py", text))
    assert message in ended.line
    assert "Traceback" not in ended.err
    assert (ended.code, ended.out) == (code, "")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_problem_that_needs_a_gpu(write: Write, tilewright: Callable[..., Any]) -> None:
    path = write("problem.py", MODEL.replace("torch.rand(8)", "torch.rand(8).cuda()"))
    ended = tilewright("problem", "validate", path)
    assert ended.code == 3
    assert "needs a CUDA GPU" in ended.line


@pytest.mark.parametrize("stage", ["import", "inputs"])
def test_a_file_that_hangs_is_stopped_with_its_children(
    write: Write, tilewright: Callable[..., Any], stage: str
) -> None:
    hang = "import subprocess, time\nsubprocess.Popen(['sleep', '97531'])\ntime.sleep(600)\n"
    text = (
        hang + MODEL
        if stage == "import"
        else MODEL.replace("return [torch", "import time; time.sleep(600)\n    return [torch")
    )
    ended = tilewright("problem", "validate", write("problem.py", text), "--load-timeout", "4")
    assert ended.code == 2
    assert "hangs" in ended.line
    assert "--load-timeout" in ended.line
    assert not _runs("sleep 97531")


def test_a_file_that_prints_megabytes_is_read_and_its_output_dropped(write: Write, capfd: Any) -> None:
    text = "import os\nfor _ in range(100): os.write(1, b'x' * (1 << 20)); print('y' * 1000)\n" + MODEL
    text = text.replace(
        "os.write(1, b'x' * (1 << 20));", "'tilewright_probe' in __name__ and os.write(1, b'x' * (1 << 20));"
    )
    problem = load_problem(write("problem.py", text))
    assert problem.outputs == ("out",)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert len(captured.err) < 1 << 17


def test_the_reader_stays_usable_after_bad_files(write: Write) -> None:
    with pytest.raises(InputError):
        load_problem(write("bad.py", BAD["dies by a signal"][0]))
    with pytest.raises(MachineError):
        load_problem(write("large.py", BAD["does not fit memory"][0]))
    assert load_problem(write("good.py", MODEL)).name == "good"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: str(folder), "is a folder"),
        (lambda folder: str(folder / "problm.py"), "did you mean"),
        (lambda folder: _binary(folder), "is not UTF-8 text"),
        (lambda folder: _link_to_itself(folder), "is a link that leads to no file"),
    ],
)
def test_what_is_no_source_file(
    write: Write, tmp_path: Any, tilewright: Callable[..., Any], make: Any, message: str
) -> None:
    write("problem.py", MODEL)
    ended = tilewright("problem", "validate", make(tmp_path))
    assert ended.code == 2
    assert message in ended.line


def test_debug_shows_the_traceback(write: Write, tilewright: Callable[..., Any]) -> None:
    ended = tilewright("problem", "validate", write("problem.py", "x = 1\n"), "--debug")
    assert ended.code == 2
    assert "Traceback" in ended.err
    assert ended.err.strip().splitlines()[-1].startswith("tilewright: ")


def _link_to_itself(folder: Any) -> str:
    link = folder / "loop.py"
    link.symlink_to(link)
    return str(link)


def _binary(folder: Any) -> str:
    path = folder / "kernel.py"
    path.write_bytes(b"\xff\xfe\x00\x01")
    return str(path)


def _runs(command: str) -> bool:
    from pathlib import Path

    lines = (p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists())
    return any(command.encode() in line.replace(b"\0", b" ") for line in lines)
