"""The process that children are forked from: children are fresh, know nothing of each other, and outlive nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.child import nursery
from tilewright.child.process import Child
from tilewright.child.room import arena_bytes, room_for
from tilewright.child.session import Session
from tilewright.problem import Inputs, Problem, Workload

pytestmark = pytest.mark.timed

PROBLEM = Problem(
    name="twice",
    reference=lambda x: 2 * x,
    inputs=lambda w, g: Inputs({"x": torch.randn(4, generator=g)}),
    workloads=(Workload(name="w"),),
)
CALL = PROBLEM.make_inputs(PROBLEM.workloads[0], 0)
EXPECTED = PROBLEM.run(CALL)


def start() -> Child:
    return Child(arena_bytes([CALL], EXPECTED), threads=1)


def numbers(child: Child, body: str) -> list[float]:
    """What `body`, the body of f(x), returns as a list of numbers, in `child`."""
    source = "import gc, os, random, sys, torch\nimport tempfile\ndef f(x):\n    " + body
    with Session(child, Candidate(name="c", source=source, entry="f"), PROBLEM, room_for(EXPECTED)) as session:
        return session.call(CALL).outputs[0].tolist()


def wait_for_the_end_of(*pids: object) -> None:
    deadline = time.monotonic() + 5
    while any(Path("/proc", str(pid)).exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path("/proc", str(pid)).exists() for pid in pids)


@pytest.fixture
def child() -> Iterator[Child]:
    with start() as one:
        yield one


def test_children_are_born_quickly_once_it_is_there(child: Child) -> None:
    assert child.sandbox
    start_s = time.perf_counter()
    with start() as other:
        assert other.sandbox
    assert time.perf_counter() - start_s < 0.5  # importing torch alone takes a second


def test_a_child_holds_its_own_descriptors_and_no_others(child: Child) -> None:
    with start() as other:
        for one in (child, other):
            count = numbers(one, "return torch.tensor([float(len(os.listdir('/proc/self/fd')))] * 4)")[0]
            assert count == 6  # what it reads and prints, its socket, its arena, and the listing itself


def test_a_child_is_told_nothing_of_the_owners_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_TOKEN", "x")
    nursery.start().close()  # the next one starts in this environment
    with start() as child:
        found = "open('/proc/self/environ').read() + repr(os.environ)"
        assert numbers(child, f"return torch.tensor([float('A_SECRET_TOKEN' in {found})] * 4)") == [0.0] * 4
        assert numbers(child, f"return torch.tensor([float('OMP_NUM_THREADS' in {found})] * 4)") == [1.0] * 4


def test_a_child_sees_its_own_folder_and_draws_its_own_numbers(child: Child) -> None:
    with start() as other:
        mine = f"float(tempfile.gettempdir() == {child.scratch!r}), float(os.getcwd() == {child.scratch!r})"
        assert numbers(child, f"return torch.tensor([{mine}, 1.0, 1.0])") == [1.0] * 4
        assert numbers(other, f"return torch.tensor([{mine}, 1.0, 1.0])")[:2] == [0.0, 0.0]
        draw = "return torch.tensor([random.random() for _ in range(4)])"
        assert numbers(child, draw) != numbers(other, draw)


def test_what_one_child_does_to_torch_is_not_there_in_the_next() -> None:
    with start() as child:
        assert numbers(child, "torch.mark = 1; torch.set_num_threads(3); return 2 * x") == EXPECTED[0].tolist()
    with start() as child:
        told = "return torch.tensor([float(hasattr(torch, 'mark')), float(torch.get_num_threads()), 0.0, 0.0])"
        assert numbers(child, told) == [0.0, 1.0, 0.0, 0.0]


def test_nothing_is_imported_that_reads_the_environment_of_a_child(child: Child) -> None:
    modules = "'triton', 'torch._inductor', 'torch._dynamo'"
    assert numbers(child, f"return torch.tensor([float(m in sys.modules) for m in ({modules})] + [0.0])") == [0.0] * 4


def test_the_end_of_a_child_is_told_as_it_was(child: Child) -> None:
    with pytest.raises(CandidateError, match="killed by SIGSEGV"):
        numbers(child, "os.kill(os.getpid(), 11)")
    with start() as other, pytest.raises(CandidateError, match="exit code 7"):
        numbers(other, "os._exit(7)")


def test_threads_may_ask_at_once() -> None:
    def born(_: int) -> bool:
        with start() as child:
            return numbers(child, "return 2 * x") == EXPECTED[0].tolist()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(born, range(8)))


def test_another_takes_its_place_when_it_is_killed(child: Child) -> None:
    assert child.sandbox
    old = nursery.start()
    os.kill(old._process.pid, signal.SIGKILL)
    wait_for_the_end_of(child._process.pid)  # its children go with it
    with pytest.raises(CandidateError) as failure:
        numbers(child, "return 2 * x")
    assert failure.value.status is Status.RESOURCE
    with start() as other:
        assert numbers(other, "return 2 * x") == EXPECTED[0].tolist()
    assert nursery.start() is not old


def test_where_none_can_be_started_it_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    nursery.start().close()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CandidateError, match="no child can be started") as failure:
        start()
    assert failure.value.status is Status.INFRA_ERROR


def test_it_ends_with_its_owner() -> None:
    code = (
        "import sys\nfrom tilewright.child import nursery\nfrom tilewright.child.process import Child\n"
        "child = Child(1 << 20, threads=1)\nchild.sandbox\n"
        "print(nursery.start()._process.pid, child._process.pid, child.scratch, flush=True)\nsys.stdin.read()"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    *pids, scratch = owner.stdout.readline().split()
    owner.kill()
    owner.communicate()
    wait_for_the_end_of(*pids)
    subprocess.run(["rm", "-rf", scratch], check=True)


def test_a_fork_of_the_owner_gets_one_of_its_own(child: Child) -> None:
    assert child.sandbox
    mine = nursery.start()._process.pid
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with start() as other:
                same = nursery.start()._process.pid == mine
                os.write(write, b"same" if same else b"own" if other.sandbox else b"none")
            nursery.start().close()
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        assert file.read() == b"own"
    os.waitpid(pid, 0)
    assert numbers(child, "return 2 * x") == EXPECTED[0].tolist()


ASKED = """
import os
(request, theirs), (report, answer) = os.pipe(), os.pipe()
os.close(theirs)
one.bear((request, answer), "/", {}, probe=True).wait(20)
"""


@pytest.mark.parametrize("asked", ["", ASKED])
def test_a_process_that_ends_leaves_none_behind_for_others_to_bury(asked: str) -> None:
    begun = "from tilewright.child import nursery\none = nursery.start('compilers')\n"
    text = begun + asked + "print(one._process.pid, flush=True)\n"
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60)
    assert not Path("/proc", ended.stdout.strip()).exists()
