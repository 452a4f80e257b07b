"""The static screen names lines and reasons, is quiet about ordinary kernels, and decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tilewright.candidate import Candidate
from tilewright.verify import kernelguard as guard
from tilewright.verify.static_screen import screen

EXAMPLES = Path(__file__).parent.parent / "examples"

SUSPICIOUS = {
    "frames": "import sys\ndef f(x): return sys._getframe(1).f_locals['y']",
    "objects": "import gc\ndef f(x): return [o for o in gc.get_objects()]",
    "addresses": "import ctypes as c\ndef f(x): return c.string_at(x.data_ptr(), 4)",
    "channels": "from os import write as w\ndef f(x):\n    w(3, b'PASSED')\n    return x",
    "background work": "import threading\ndef f(x):\n    threading.Thread(target=print).start()\n    return x",
    "hidden code": "import base64\ndef f(x):\n    exec(base64.b64decode('eA=='))\n    return x",
    "mode": "import os\ndef f(x): return x if os.environ.get('CHECK') else None",
    "hooks": "import atexit\natexit.register(print)\ndef f(x): return x",
    "seeds": "import torch\ndef f(x):\n    torch.manual_seed(0)\n    return torch.randn(3)",
    "precision": "import torch\ndef f(x):\n    torch.backends.cuda.matmul.allow_tf32 = True\n    return x @ x",
    "streams": "import torch\ndef f(x):\n    with torch.cuda.stream(torch.cuda.Stream()):\n        return x * 2",
    "clock": "from time import sleep\ndef f(x):\n    sleep(1)\n    return x",
    "files": "def f(x): return open('/tmp/kept').read()",
    "lazy tensors": "import torch\ndef f(x): return torch.Tensor._make_subclass(torch.Tensor, x)",
    "patching": "import torch\ntorch.allclose = lambda *a, **k: True\ndef f(x): return x",
    "swallowed errors": "def f(x):\n    try:\n        return kernel(x)\n    except Exception:\n        return x.sum()",
    "kept by address": "kept = {}\ndef f(x): return kept[x.data_ptr()]",
    "own class of tensor": "import torch\nclass T(torch.Tensor):\n    pass\ndef f(x): return T(x)",
    "unreadable": "def f(x) return x",
}


def candidate(source: str, language: str = "torch") -> Candidate:
    return Candidate(name="c", source=source, entry="f", language=language)


@pytest.mark.parametrize("rule", SUSPICIOUS)
def test_each_rule_names_its_line_and_its_reason(rule: str) -> None:
    found = [s for s in screen(candidate(SUSPICIOUS[rule])) if s.rule == rule]
    assert found, f"{rule} is not seen"
    assert all(s.line >= 1 and s.reason for s in found)


def test_names_are_followed_through_imports_and_setattr() -> None:
    text = "from time import perf_counter as pc\nimport torch as t\nsetattr(t.cuda, 'synchronize', print)\nx = pc()"
    assert {(s.line, s.rule) for s in screen(candidate(text))} == {(3, "patching"), (4, "clock")}


def test_a_reference_called_from_a_kernel_language_is_seen_and_from_torch_is_not() -> None:
    reference = "import torch\ndef f(x): return torch.softmax(x, -1)"
    wrapper = "import torch\ndef f(x):\n    y = torch.empty_like(x)\n    return torch.softmax(x, -1)"
    found = screen(candidate(wrapper, "triton"), reference)
    assert [(s.line, s.rule, s.text) for s in found] == [(4, "reference's operation", "softmax")]
    assert screen(candidate(wrapper), reference) == ()
    kernel = "import triton\n@triton.jit\ndef k(x):\n    return softmax(x)\ndef f(x):\n    k[(1,)](x)\n    return x"
    assert screen(candidate(kernel, "triton"), reference) == ()


# A script to profile is nobody's candidate.
CANDIDATES = [path for path in sorted(EXAMPLES.glob("*.py")) if not path.stem.startswith("profile_")]


@pytest.mark.parametrize("path", CANDIDATES, ids=lambda p: p.stem)
def test_the_examples_look_innocent(path: Path) -> None:
    language = "cpp" if "cpp" in path.stem else "triton" if "triton" in path.stem else "torch"
    reference = (EXAMPLES / "softmax_problem.py").read_text()
    assert screen(candidate(path.read_text(), language), reference) == ()


def test_suspicions_are_shown_and_decide_nothing(tilewright: Any, problem_file: str, right_file: str) -> None:
    text = Path(right_file).read_text()
    Path(right_file).write_text(f"import time\nSTART = time.time()\n{text}")
    ended = tilewright("check", right_file, "--problem", problem_file, "--device", "cpu", "--json")
    assert ended.json["status"] == "PASSED" and ended.code == 0
    assert [(s["line"], s["rule"]) for s in ended.json["suspicions"]] == [(2, "clock")]


RULES = """
def analyze_code(code, compute_structural_hash=True):
    if "hang" in code:
        while True:
            pass
    return {"matched_patterns": [{"pattern": "POINTER_REPLAY", "severity": "critical", "evidence": code[:9]}] * 2}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of rules that stands in for the real one, which is no requirement."""
    (tmp_path / "kernelguard.py").write_text(RULES)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n" + guard._RULES
    monkeypatch.setattr(guard, "_RULES", found)


def test_rules_of_kernelguard_are_told_where_the_package_is(package: None, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = guard.kernelguard("import os; kept")
    assert (found.line, found.rule, found.text) == (0, "kernelguard POINTER_REPLAY", "import os")
    monkeypatch.setattr(guard, "_PATIENCE_S", 1.0)
    (late,) = guard.kernelguard("hang")
    assert "TimeoutExpired" in late.reason


def test_nothing_is_said_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_PACKAGE", "kernelguard_that_nobody_has")
    assert guard.kernelguard("x") == ()
