"""Faults of a candidate, and of the machine around it, at any moment: who is to blame is told right, nothing is left
behind, and the next candidate is judged as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.child.process import Child, Limits
from tilewright.child.room import arena_bytes, room_for
from tilewright.child.sandbox import is_weak
from tilewright.child.session import Session
from tilewright.problem import Inputs, Problem, Workload

pytestmark = pytest.mark.timed

PROBLEM = Problem(
    name="add",
    reference=lambda x: x + 1,
    inputs=lambda w, g: Inputs({"x": torch.randn(64, generator=g)}),
    workloads=(Workload(name="small"),),
)
CALLS = [PROBLEM.make_inputs(PROBLEM.workloads[0], seed) for seed in range(3)]
EXPECTED = PROBLEM.run(CALLS[0])
LIMITS = Limits(load_s=5, first_call_s=3, call_s=3, memory_bytes=1 << 30)
GOOD = "def f(x): return x + 1"


def started() -> Child:
    return Child(arena_bytes(CALLS, EXPECTED), limits=LIMITS, threads=1)


def exercise(child: Child, source: str) -> None:
    """All that is asked of a candidate: two calls and a timed block."""
    candidate = Candidate(name="c", source=source, entry="f")
    with Session(child, candidate, PROBLEM, room_for(EXPECTED)) as session:
        for call in CALLS[:2]:
            assert torch.equal(session.call(call).outputs[0], call.args["x"] + 1)
        block = session.time(CALLS, [0, 1, 2])
        assert torch.equal(block.outcome.outputs[0], CALLS[2].args["x"] + 1)


def fate(source: str) -> CandidateError:
    """How `source` ends; the next candidate is served afterwards."""
    with started() as child:
        with pytest.raises(CandidateError) as failure:
            exercise(child, source)
    with started() as child:
        exercise(child, GOOD)
    return failure.value


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test of this file leaves no process, no file and no descriptor behind."""
    with started() as child:  # what stays open for good is open now
        assert child.sandbox
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = sorted(os.listdir("/proc/self/fd")), sorted(os.listdir("/dev/shm"))
    yield
    wait_until(lambda: not processes_below(scratch))
    assert list(scratch.iterdir()) == []
    wait_until(lambda: (sorted(os.listdir("/proc/self/fd")), sorted(os.listdir("/dev/shm"))) == before)


def wait_until(holds: Callable[[], bool], patience_s: float = 5.0) -> None:
    deadline = time.monotonic() + patience_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert holds()


def processes_below(folder: Path) -> list[int]:
    """Those that work in `folder`, as everything does that a child is or starts."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/cwd").startswith(f"{folder}/"):
                found.append(int(name))
        except OSError:
            continue
    return found


# Death at any point.

DIES_AT_FRAME = """
import os, sys
frame = sys._getframe()
while "program" not in frame.f_locals:
    frame = frame.f_back
wire = frame.f_locals["program"].wire
send, sent = wire.send, []
def counted(message):
    sent.append(message)
    if len(sent) == NUMBER and WHEN == "before":
        os.kill(os.getpid(), SIGNAL)
    send(message)
    if len(sent) == NUMBER and WHEN == "after":
        os.kill(os.getpid(), SIGNAL)
wire.send = counted
def f(x): return x + 1
"""
# Answered: load, call, call, previous, then a block: prepared, ended, done.
FRAMES = range(1, 8)


@pytest.mark.parametrize(
    ("number", "when"), [*((n, "before") for n in FRAMES), (1, "after"), (5, "after"), (6, "after")]
)
def test_a_child_may_die_at_any_point(number: int, when: str) -> None:
    signal_ = (signal.SIGKILL, signal.SIGSEGV)[number % 2]
    source = (
        DIES_AT_FRAME.replace("NUMBER", str(number)).replace("WHEN", repr(when)).replace("SIGNAL", str(int(signal_)))
    )
    failure = fate(source)
    assert failure.status is (Status.RESOURCE if signal_ == signal.SIGKILL else Status.RUNTIME_ERROR)
    assert signal_.name in failure.detail


def test_half_a_frame_is_no_answer() -> None:
    source = DIES_AT_FRAME.replace("NUMBER", "3").replace("WHEN", "'before'").replace(
        "os.kill(os.getpid(), SIGNAL)", "wire.sock.send(wire.token + b'abc'); os._exit(5)"
    )  # fmt: skip
    assert "exit code 5" in fate(source).detail


# Hangs.


@pytest.mark.parametrize(
    "source",
    ["while True: pass", "def f(x):\n    while True: pass", "import time\ntime.sleep(999)", "def f(x): input()"],
)
def test_a_hang_ends_with_its_time(source: str) -> None:
    start_s = time.monotonic()
    failure = fate(source)
    assert failure.status in (Status.TIMEOUT, Status.RUNTIME_ERROR)  # nobody answers an input(): it reads the end
    assert time.monotonic() - start_s < 20


HANGS_AT_EXIT = """
import atexit, signal, threading, time
atexit.register(time.sleep, 999)
threading.Thread(target=time.sleep, args=(999,)).start()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
class Stays:
    def __del__(self): time.sleep(999)
stays = Stays()
def f(x): return x + 1
"""


def test_a_hang_at_exit_holds_nobody_up() -> None:
    child = started()
    exercise(child, HANGS_AT_EXIT)
    start_s = time.monotonic()
    child.close()
    assert time.monotonic() - start_s < 3


# Too much of everything.

TOO_MUCH = {
    "memory": ("def f(x): return [bytearray(1 << 28) for _ in range(999)]", {Status.RESOURCE}),
    "processes that leave": (
        "import os, time\n"
        "def f(x):\n"
        "    while True:\n"
        "        if not os.fork():\n"
        "            os.setsid()\n"
        "            time.sleep(99)",
        None,
    ),
    "programs": (
        "import os\ndef f(x):\n    while True: os.posix_spawn('/bin/sleep', ['sleep', '99'], {})",
        {Status.RESOURCE, Status.RUNTIME_ERROR},
    ),
    "threads": (
        "import threading, time\n"
        "def f(x):\n"
        "    while True: threading.Thread(target=time.sleep, args=(99,)).start()",
        None,
    ),
    "Python's stack": ("def f(x): return f(x)", {Status.RUNTIME_ERROR}),
    "C's stack": (
        "import ctypes, sys\n"
        "sys.setrecursionlimit(10**9)\n"
        "again = ctypes.CFUNCTYPE(None)(lambda: again())\n"
        "def f(x): again()",
        {Status.RUNTIME_ERROR},
    ),
    "one file": (
        "def f(x):\n    with open('a', 'wb') as a:\n        while True: a.write(bytes(1 << 24))",
        {Status.RUNTIME_ERROR, Status.RESOURCE},
    ),
    "many files": (
        "import os\n"
        "def f(x):\n"
        "    for i in range(99): os.posix_fallocate(os.open(str(i), os.O_CREAT | os.O_RDWR), 0, 1 << 28)",
        {Status.RUNTIME_ERROR},
    ),
    "folders in folders": ("import os\ndef f(x):\n    while True:\n        os.mkdir('d')\n        os.chdir('d')", None),
}  # fmt: skip


@pytest.mark.parametrize("what", TOO_MUCH)
def test_too_much_is_bounded(what: str) -> None:
    source, statuses = TOO_MUCH[what]
    before, most, over = tasks(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], tasks() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        failure = fate(source)
    finally:
        over.set()
        watcher.join()
    assert failure.status in (statuses or {Status.RUNTIME_ERROR, Status.RESOURCE, Status.TIMEOUT})
    assert most[0] < 3000


def tasks() -> int:
    """Threads on this machine."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])


def test_files_are_bounded_in_all() -> None:
    with started() as child:
        if "namespaces" not in child.sandbox:
            pytest.skip("without a mount namespace each file is bounded, not their sum")
        with pytest.raises(CandidateError, match="No space left"):
            exercise(child, TOO_MUCH["many files"][0])


CLOSED_FOLDER = "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0)\n"


def test_a_flood_of_output_and_closed_folders_leave_nothing() -> None:
    with started() as child:
        exercise(child, CLOSED_FOLDER + "def f(x):\n    print('x' * 10_000_000)\n    return x + 1")
        assert len(child.captured.text()) < 1 << 17


# The owner.

OWNER = """
import os, sys, threading, tempfile
tempfile.tempdir = {folder!r}
sys.path.insert(0, {tests!r})
from test_faults import GOOD, exercise, started
from tilewright.child import nursery
print(nursery.start()._process.pid, flush=True)
try:
    while True:
        with started() as child:
            exercise(child, GOOD)
            print("served", flush=True)
            exercise(child, {source!r})
except KeyboardInterrupt:
    sys.exit(130)
"""


HANGS = "import time\ndef f(x): time.sleep(99)"
MOMENTS = [(s, e, d) for s in (GOOD, HANGS) for e in (signal.SIGINT, signal.SIGKILL) for d in (0.0, 0.02, 0.05, 0.2)]
FEW = [(GOOD, signal.SIGINT, 0.05), (GOOD, signal.SIGKILL, 0.02), (HANGS, signal.SIGKILL, 0.2)]


@pytest.mark.parametrize(
    ("source", "ending", "delay_s"), [m if m in FEW else pytest.param(*m, marks=pytest.mark.sweep) for m in MOMENTS]
)
def test_the_owner_may_end_at_any_moment(tmp_path: Path, source: str, ending: signal.Signals, delay_s: float) -> None:
    folder = tmp_path / "owned"
    folder.mkdir()
    code = OWNER.format(folder=str(folder), tests=str(Path(__file__).parent), source=source)
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    nursery = int(owner.stdout.readline())
    assert owner.stdout.readline() == "served\n"
    time.sleep(delay_s)
    os.kill(owner.pid, ending)
    _, said = owner.communicate(timeout=20)
    assert owner.returncode == (130 if ending == signal.SIGINT else -signal.SIGKILL), said
    wait_until(lambda: not processes_below(folder) and not Path(f"/proc/{nursery}").exists())
    wait_until(lambda: list(folder.iterdir()) == [])


SLOW_TO_END = """
import os, sys, signal, tempfile, time
tempfile.tempdir = {folder!r}
sys.path.insert(0, {tests!r})
from test_faults import started
from tilewright.child import nursery
asked = nursery.start()._control
with started() as child:
    child.sandbox
    if os.fork() == 0:  # as a process that is ending: it holds the locks of the folders, and not the socket
        asked.close()
        child.wire.sock.close()
        time.sleep(1)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_folders_go_though_the_owner_holds_their_locks_longer_than_its_socket(tmp_path: Path) -> None:
    folder = tmp_path / "owned"
    folder.mkdir()
    code = SLOW_TO_END.format(folder=str(folder), tests=str(Path(__file__).parent))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    wait_until(lambda: list(folder.iterdir()) == [])


GONE_BEFORE_THE_ANSWER = """
import os, sys, signal, socket, tempfile
tempfile.tempdir = {folder!r}
sys.path.insert(0, {tests!r})
from test_faults import started
with started() as child:
    child.sandbox
send = socket.send_fds

def send_and_end(*what):
    send(*what)
    os.kill(os.getpid(), signal.SIGKILL)

socket.send_fds = send_and_end
started().__enter__()
"""


def test_folders_go_though_the_owner_ends_before_it_is_answered(tmp_path: Path) -> None:
    folder = tmp_path / "owned"
    folder.mkdir()
    code = GONE_BEFORE_THE_ANSWER.format(folder=str(folder), tests=str(Path(__file__).parent))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    wait_until(lambda: list(folder.iterdir()) == [])


def test_a_wall_is_there_at_all() -> None:
    """The tests above mean what they say only behind a wall; where there is none, this says so."""
    with started() as child:
        if is_weak(child.sandbox):
            pytest.skip(f"this kernel grants no more than {child.sandbox}")
        assert child.sandbox == "namespaces+landlock+seccomp"
