"""The wall and the protocol: what a candidate can do to others (nothing), and what becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.child.arena import Arena, ArenaFull
from tilewright.child.process import Child, Limits
from tilewright.child.room import arena_bytes, room_for
from tilewright.child.sandbox import is_weak
from tilewright.child.session import Session, open_session
from tilewright.problem import Inputs, Problem, Workload
from tilewright.verify.judge import judge
from tilewright.verify.truth import make_truth

pytestmark = pytest.mark.timed

SHAPE = (32, 64)
LIMITS = Limits(load_s=5, first_call_s=4, call_s=4, memory_bytes=1 << 30)


def reference(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x * w


def draw(workload: Workload, generator: torch.Generator) -> Inputs:
    return Inputs({"x": torch.randn(SHAPE, generator=generator), "w": torch.randn(SHAPE[1], generator=generator)})


PROBLEM = Problem(name="scale", reference=reference, inputs=draw, workloads=(Workload(name="small"),))
FIRST, SECOND = (PROBLEM.make_inputs(PROBLEM.workloads[0], seed) for seed in (1, 2))
EXPECTED = PROBLEM.run(FIRST)


@pytest.fixture(scope="module")
def child() -> Iterator[Callable[[], Child]]:
    """One child for all tests that leave it alive; a new one after one that did not."""
    held: list[Child] = []

    def get() -> Child:
        if not held or not held[-1].alive:
            held.append(Child(arena_bytes([FIRST, SECOND], EXPECTED), limits=LIMITS, threads=1))
        return held[-1]

    yield get
    for one in held:
        one.close()


def loaded(child: Child, source: str) -> Session:
    return Session(child, Candidate(name="c", source=source, entry="f"), PROBLEM, room_for(EXPECTED))


def test_a_call_returns_the_parents_own_copy_of_the_result(child):
    with loaded(child(), "def f(x, w): return x * w") as session:
        outcome = session.call(FIRST)
    assert torch.equal(outcome.outputs[0], EXPECTED[0])
    assert outcome.mutated == () and outcome.out_of_bounds == () and outcome.stable
    assert outcome.metas[0].shape == SHAPE and outcome.metas[0].aliases == ()


def test_strides_scalars_and_empty_tensors_arrive_as_they_are(child):
    source = "def f(x, w):\n    assert x.stride() == (1, 32) and w is None\n    return x"
    with loaded(child(), source) as session:
        strided = Inputs({"x": torch.randn(64, 32).t(), "w": None})
        assert torch.equal(session.call(strided).outputs[0], strided.args["x"])
    with loaded(child(), "def f(x, w):\n    return x + 1, w.sum().view(1)") as session:
        outcome = session.call(Inputs({"x": torch.empty(0, 4), "w": torch.ones(3)}))
        assert outcome.metas[0].shape == (0, 4) and outcome.outputs[1].item() == 3


def test_gradients_come_back(child):
    seed = torch.randn(SHAPE)
    with loaded(child(), "def f(x, w): return x * w") as session:
        outcome = session.call(FIRST, grads=("x", "w"), grad_outputs=(seed,))
    torch.testing.assert_close(outcome.grads["x"], seed * FIRST.args["w"])
    torch.testing.assert_close(outcome.grads["w"], (seed * FIRST.args["x"]).sum(0))


def test_a_module_gets_the_parents_weights_by_name_or_in_order(child):
    source = (
        "import torch\nclass ModelNew(torch.nn.Module):\n    def __init__(self, n):\n        super().__init__()\n"
        "        self.other_name = torch.nn.Parameter(torch.zeros(n))\n"
        "    def forward(self, x): return x * self.other_name"
    )
    candidate = Candidate(name="m", source=source, entry="ModelNew", kind="module")
    inputs = Inputs({"x": FIRST.args["x"]}, state={"weight": FIRST.args["w"]}, init=(SHAPE[1],))
    with Session(child(), candidate, PROBLEM, room_for(EXPECTED)) as session:
        assert torch.equal(session.call(inputs).outputs[0], EXPECTED[0])
        other = Inputs(inputs.args, state={"weight": SECOND.args["w"]}, init=inputs.init)
        assert torch.equal(session.call(other).outputs[0], FIRST.args["x"] * SECOND.args["w"])


WRITES_OUTSIDE = "import ctypes\ndef f(x, w):\n    ctypes.memset(x.data_ptr() + 4 * x.numel(), 0, 4)\n    return x * w"
UNWRITTEN = "import torch\ndef f(x, w):\n    out = torch.empty_like(x)\n    out[1:] = x[1:] * w\n    return out"
REUSES = "import torch\nB = torch.empty(32, 64)\ndef f(x, w): return torch.mul(x, w, out=B)"


def test_what_a_call_does_to_memory_is_seen(child):
    with loaded(child(), "def f(x, w):\n    x.add_(1)\n    return x * w") as session:
        assert session.call(FIRST).mutated == ("args.x",)
        assert session.call(FIRST).mutated == ("args.x",), "the input was not mended between calls"
    with loaded(child(), WRITES_OUTSIDE) as session:
        assert session.call(FIRST).out_of_bounds == ("args.x",)
    with loaded(child(), "def f(x, w): return x.view(-1)[:8]") as session:
        assert session.call(FIRST).metas[0].aliases == ("args.x",)
    with loaded(child(), UNWRITTEN) as session:
        assert torch.isnan(session.call(FIRST, poison=True).outputs[0][0]).all()
    with loaded(child(), REUSES) as session:
        assert session.call(FIRST).stable and not session.call(SECOND).stable


SUBCLASS = "import torch\nclass Lazy(torch.Tensor): pass\ndef f(x, w): return (x * w).as_subclass(Lazy)"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (SUBCLASS, "out is a Lazy, a subclass of torch.Tensor: plain tensors are expected"),
        ("def f(x, w): return 'a word'", "out is a str, no tensor: plain tensors are expected"),
    ],
)
def test_what_is_no_plain_tensor_is_named(child, source, said):
    with loaded(child(), source) as session:
        judged = judge(make_truth(PROBLEM, FIRST), session.call(FIRST))
    assert judged.status is Status.INCORRECT_DTYPE and judged.detail == said


def test_what_compiles_against_torch_has_longer_to_load():
    assert LIMITS.load_s_of("def f(x, w): return x * w") == 5
    assert LIMITS.load_s_of("from torch.utils.cpp_extension import load_inline") == LIMITS.extension_s == 120
    assert (LIMITS.first_call_s_of("f = g"), LIMITS.first_call_s_of("f = torch.compile(g)")) == (4, 180)


FATES = {
    "raises": ("def f(x, w): raise ValueError('no luck')", Status.RUNTIME_ERROR, "ValueError: no luck"),
    "exits": ("import sys\ndef f(x, w): sys.exit(0)", Status.RUNTIME_ERROR, "called sys.exit(0)"),
    "leaves": ("import os\ndef f(x, w): os._exit(3)", Status.RUNTIME_ERROR, "exit code 3"),
    "segfaults": ("import ctypes\ndef f(x, w): ctypes.string_at(0)", Status.RUNTIME_ERROR, "SIGSEGV"),
    "aborts": ("import os\ndef f(x, w): os.abort()", Status.RUNTIME_ERROR, "SIGABRT"),
    "hangs": ("def f(x, w):\n    while True: pass", Status.TIMEOUT, "no answer within"),
    "hogs": ("def f(x, w): return [bytearray(1 << 30) for _ in range(99)]", Status.RESOURCE, "MemoryError"),
    "hogs in torch": ("import torch\ndef f(x, w): return torch.empty(1 << 40)", Status.RESOURCE, "memory"),
    "does not parse": ("def f(x, w) return x", Status.COMPILE_ERROR, "SyntaxError"),
    "has no entry": ("def g(x, w): return x", Status.COMPILE_ERROR, "defines no f"),
    "hangs at import": ("while True: pass", Status.TIMEOUT, "no answer within"),
    "exits at import": ("raise SystemExit(7)", Status.COMPILE_ERROR, "called sys.exit(7)"),
}


@pytest.mark.parametrize("fate", FATES)
def test_a_failure_costs_the_candidate_its_verdict_and_nothing_else(child, fate):
    source, status, words = FATES[fate]
    with pytest.raises(CandidateError) as failure, loaded(child(), source) as session:
        session.call(FIRST)
    assert failure.value.status is status and words in failure.value.detail
    with loaded(child(), "def f(x, w): return x * w") as session:
        assert torch.equal(session.call(FIRST).outputs[0], EXPECTED[0])


def test_a_flood_of_output_is_kept_short(child):
    mine = child()
    with loaded(mine, "def f(x, w):\n    print('x' * 50_000_000)\n    return x * w") as session:
        assert torch.equal(session.call(FIRST).outputs[0], EXPECTED[0])
    assert len(mine.captured.text()) < 1 << 17 and mine.captured.total_bytes > 1 << 24


REACHES = {
    "the network": "import socket\ndef f(x, w): socket.create_connection(('127.0.0.1', 9), timeout=1)",
    "files of the user": f"def f(x, w): open({str(Path(__file__))!r}).read()",
    "the temporary folder": "def f(x, w): open('/tmp/tilewright-escape', 'w')",
    "its parent": f"def f(x, w): open('/proc/{os.getpid()}/environ').read()",
    "its parent's memory": f"def f(x, w): open('/proc/{os.getpid()}/mem', 'rb')",
    "a trace of its parent": (
        "import ctypes\ndef f(x, w):\n    libc = ctypes.CDLL(None, use_errno=True)\n"
        f"    if libc.ptrace(16, {os.getpid()}, 0, 0) != 0: raise PermissionError(ctypes.get_errno())"
    ),
}


@pytest.mark.parametrize("target", REACHES)
def test_nothing_outside_is_within_reach(child, target):
    if is_weak(child().sandbox):
        pytest.skip(f"this kernel grants no more than {child().sandbox}")
    with pytest.raises(CandidateError) as failure, loaded(child(), REACHES[target]) as session:
        session.call(FIRST)
    assert failure.value.status is Status.RUNTIME_ERROR
    assert any(word in failure.value.detail for word in ("Permission", "refused", "No such file"))


def test_a_secret_of_the_parents_environment_does_not_reach_the_child(child, monkeypatch):
    monkeypatch.setenv("API_KEY", "secret")
    with Child(1 << 20, limits=LIMITS, threads=1) as fresh:
        with loaded(fresh, "import os\ndef f(x, w): raise RuntimeError(str('API_KEY' in os.environ))") as session:
            with pytest.raises(CandidateError, match="False"):
                session.call(Inputs({"x": torch.ones(1), "w": torch.ones(1)}))


def test_no_descendant_outlives_a_child():
    source = "import subprocess\ndef f(x, w):\n    subprocess.Popen(['sleep', '4321'])\n    return x * w"
    session = open_session(Candidate(name="c", source=source, entry="f"), PROBLEM, [FIRST], EXPECTED, limits=LIMITS)
    session.call(FIRST)
    session.child.close()
    time.sleep(0.2)
    assert "sleep 4321" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not os.path.exists(session.child.scratch)


def test_a_child_dies_with_its_parent():
    code = (
        "import time\nfrom tilewright.child.process import Child\n"
        "child = Child(1 << 20, threads=1)\nprint(child.scratch, flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    scratch = parent.stdout.readline().strip()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not any(os.readlink(f"/proc/{pid}/cwd") == scratch for pid in _own_processes()):
            break
        time.sleep(0.05)
    else:
        pytest.fail("a child outlived its parent")
    subprocess.run(["rm", "-rf", scratch], check=True)


def _own_processes() -> Iterator[int]:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue
        yield int(name)


def test_the_arena_keeps_regions_apart_and_says_when_it_is_full():
    arena = Arena(1 << 16)
    first, second = arena.take(100), arena.take(100)
    arena.view(first, torch.uint8, (100,)).zero_()
    assert arena.guards_hold(first) and arena.guards_hold(second)
    arena.view(second, torch.uint8, (100,)).zero_()
    arena._raw[first.offset + 100] = 0
    assert not arena.guards_hold(first) and arena.guards_hold(second)
    with pytest.raises(ValueError, match="does not fit"):
        arena.view(first, torch.float32, (26,))
    with pytest.raises(ArenaFull, match="do not fit"):
        arena.take(1 << 16)
    arena.close()


def test_fewer_outputs_than_the_problem_names_are_read_back_whole():
    """rms_norm names two outputs and gives one where there is no residual."""
    many = PROBLEM.with_(outputs=("out", "h", "more"))
    session = open_session(Candidate(name="c", source="def f(x, w): return x * w", entry="f"), many, [FIRST], EXPECTED)
    try:
        assert torch.equal(session.call(FIRST).outputs[0], EXPECTED[0])
    finally:
        session.child.close()
