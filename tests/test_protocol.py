"""What a child may say, and when: frames that were not asked for, lies about time, and words that make no sense."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.child.arena import Arena
from tilewright.child.process import Child, Limits
from tilewright.child.room import arena_bytes, room_for
from tilewright.child.session import Session
from tilewright.child.wire import MAX_FRAME_BYTES, MOST_LEVELS, Answerer, Asker, WireError, WireForged, WireTimeout
from tilewright.measure import Effort, measure
from tilewright.measure.clock import run_block, witness
from tilewright.measure.pace import Block
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
LIMITS = Limits(load_s=10, first_call_s=5, call_s=5)
HEADER = struct.Struct("<16sII")


@pytest.fixture
def ends() -> Iterator[tuple[Asker, Answerer]]:
    ours, theirs = socket.socketpair()
    yield Asker(ours), Answerer(theirs)
    ours.close()
    theirs.close()


# Frames.


def test_an_answer_is_what_was_asked_for_in_the_order_it_was_said(ends: tuple[Asker, Answerer]) -> None:
    asker, answerer = ends
    for question in ({"op": "a", "value": float("-inf")}, {"op": "b" * 100_000}):
        asker.send(question)
        assert answerer.receive(1) == question
        for number in range(3):
            answerer.send({"number": number})
        assert [asker.receive(1)["number"] for _ in range(3)] == [0, 1, 2]


def test_nothing_can_be_said_ahead_late_twice_or_out_of_order(ends: tuple[Asker, Answerer]) -> None:
    asker, answerer = ends
    answerer.send({"ok": {}})  # before anything was asked
    asker.send({"op": "a"})
    with pytest.raises(WireForged, match="not asked for"):
        asker.receive(1)
    for numbers in ((2,), (1, 1), (1, 3), (0,)):
        asker, answerer = _pair()
        asker.send({})
        answerer.receive(1)
        for number in numbers:
            answerer.number = number - 1
            answerer.send({})
        with pytest.raises(WireForged):
            _ = [asker.receive(1) for _ in numbers]
    asker, answerer = _pair()
    asker.send({})
    answerer.receive(1)
    asker.send({})  # what was asked first is over
    answerer.send({})
    with pytest.raises(WireForged):
        asker.receive(1)


def _pair() -> tuple[Asker, Answerer]:
    ours, theirs = socket.socketpair()
    return Asker(ours), Answerer(theirs)


NOT_FRAMES = {
    "no JSON": b"{", "no object": b"[1]", "no number": b'{"a": NaN}', "no end": b'{"a": 1e', "no text": b"\xff\xfe",
    "too deep": b'{"a":' + b"[" * MOST_LEVELS + b"]" * MOST_LEVELS + b"}",
    "much too deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "too many digits": b'{"a":' + b"9" * 100_000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_FRAMES)
def test_what_no_honest_child_writes_is_a_forgery(ends: tuple[Asker, Answerer], what: str) -> None:
    asker, answerer = ends
    asker.send({})
    writer = threading.Thread(target=answerer.sock.sendall, args=(_frame(asker, NOT_FRAMES[what]),))
    writer.start()
    with pytest.raises(WireForged):
        asker.receive(5)
    writer.join()


def _frame(asker: Asker, body: bytes, size: int | None = None) -> bytes:
    return HEADER.pack(asker.token, 1, len(body) if size is None else size) + body


def test_a_long_frame_is_refused_by_its_header(ends: tuple[Asker, Answerer]) -> None:
    asker, answerer = ends
    asker.send({})
    answerer.sock.sendall(_frame(asker, b"", MAX_FRAME_BYTES + 1))
    with pytest.raises(WireForged, match="limit"):
        asker.receive(1)


def test_who_does_not_read_or_write_is_not_waited_for(ends: tuple[Asker, Answerer]) -> None:
    asker, answerer = ends
    start_s = time.monotonic()
    with pytest.raises(WireTimeout):
        asker.send({"op": "x" * (4 << 20)}, timeout_s=0.2)
    with pytest.raises(WireTimeout):
        asker.receive(0.2)
    asker, answerer = _pair()
    asker.send({})
    answerer.sock.sendall(_frame(asker, b"{", 100))  # begun, and never ended
    with pytest.raises(WireTimeout):
        asker.receive(0.2)
    assert time.monotonic() - start_s < 5
    answerer.sock.close()
    with pytest.raises(WireError, match=r"closed|gone"):
        asker.receive(1)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=4000), framed=st.booleans(), size=st.one_of(st.none(), st.integers(0, 2**32 - 1)))
def test_no_bytes_do_more_than_end_the_conversation(data: bytes, framed: bool, size: int | None) -> None:
    _feed(data, framed, size)


@pytest.mark.sweep
@settings(max_examples=60_000, deadline=None)
@given(data=st.binary(max_size=100_000), framed=st.booleans(), size=st.one_of(st.none(), st.integers(0, 2**32 - 1)))
def test_no_bytes_do_more_than_end_the_conversation_at_length(data: bytes, framed: bool, size: int | None) -> None:
    _feed(data, framed, size)


def _feed(data: bytes, framed: bool, size: int | None) -> None:
    asker, answerer = _pair()
    asker.send({})
    answerer.sock.sendall(_frame(asker, data, size) if framed else data)
    answerer.sock.close()
    with contextlib.suppress(WireError):
        assert isinstance(asker.receive(1), dict)
    asker.sock.close()


# Answers.


class Parrot:
    """A child that says what it is told to: the parent's side is tested with it, without a process."""

    sandbox, gpu, latency_s, wake_s, alive, limits = "none", None, 1e-4, 0.0, True, Limits()
    worker, threads, asked, hand_over_s = None, 1, 0, 1e-5

    def __init__(self, answer: Any):
        self.answers, self.arena, self.killed = answer, Arena(arena_bytes(CALLS, EXPECTED)), False

    def ask(self, op: str, timeout_s: float, **fields: Any) -> Any:
        return {} if op == "load" else self.answers

    def tell(self, op: str, **fields: Any) -> Parrot:
        return self

    def note(self, timeout_s: float) -> Any:
        return {"prepared": True, "ended": 1, "handed": 1, "done": self.answers.get("done")}

    def answer(self, timeout_s: float) -> Any:
        return self.answers

    def kill(self) -> None:
        self.killed = True


def told(answer: Any) -> None:
    """Everything that a parent asks a child, answered with `answer`: a result, or the candidate's verdict."""
    child = Parrot(answer)
    with Session(child, Candidate(name="c", source="", entry="f"), PROBLEM, room_for(EXPECTED)) as session:  # type: ignore[arg-type]
        asked = (
            lambda: session.call(CALLS[0]),
            lambda: session.call(CALLS[0], grads=("x",), grad_outputs=EXPECTED),
            lambda: session.time(CALLS, [0, 1, 2, 0]).outcome,
            lambda: session.time(CALLS, [0, 1, 2, 0], kept=2).outcome,
            lambda: session.kernels(),
        )
        for ask in asked:
            with contextlib.suppress(CandidateError):
                ask()
    child.arena.close()


META = {"is_tensor": True, "shape": [64], "dtype": "float32", "stride": [1], "device": "cpu",
        "aliases": [], "aliases_outputs": []}  # fmt: skip
HUGE = [
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    10**300,
    1e308,
    0.5,
    True,
    None,
    "1",
    "",
    [],
    {},
    "float8_e4m3fn",
    "quint8",
    "bits8",
]
ODD = st.recursive(
    st.one_of(st.sampled_from(HUGE), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)
ODD_META = st.fixed_dictionaries({}, optional={k: st.one_of(st.just(v), ODD) for k, v in META.items()})
ODD_DTYPES = st.sampled_from([n for n in dir(torch) if isinstance(getattr(torch, n), torch.dtype)])
REAL_META = st.builds(
    lambda d, s: {**META, "dtype": d, "shape": s},
    ODD_DTYPES,
    st.lists(st.sampled_from([0, 1, 4, 64, 2**61]), max_size=4),
)
METAS = st.one_of(ODD, st.lists(st.one_of(ODD_META, REAL_META), max_size=3))
WRITTEN = st.one_of(ODD, st.lists(ODD, max_size=3))
EACH = st.lists(st.fixed_dictionaries({}, optional={"metas": METAS, "written": WRITTEN}), max_size=5)
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "metas": METAS, "grad_metas": METAS, "written": WRITTEN, "done": st.one_of(st.just(4), ODD),
        "each": st.one_of(ODD, EACH),
        "kernels": st.one_of(ODD, st.lists(st.lists(ODD, max_size=4), max_size=2)), "samples_s": ODD, "host_s": ODD,
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(ANSWERS)
def test_no_answer_is_a_fault_of_the_parent(answer: Any) -> None:
    told(answer)


@pytest.mark.sweep
@settings(max_examples=40_000, deadline=None)
@given(ANSWERS)
def test_no_answer_is_a_fault_of_the_parent_at_length(answer: Any) -> None:
    told(answer)


NONSENSE = {
    "a shape of strings": {"metas": [{**META, "shape": ["64"]}]},
    "a negative size": {"metas": [{**META, "shape": [-64]}]},
    "more elements than any memory": {"metas": [{**META, "shape": [2**40, 2**40, 0]}]},
    "no list of outputs": {"metas": 7},
    "an output that is none": {"metas": [None]},
    "bytes that are words": {"metas": [META], "written": ["many"]},
    "a million outputs": {"metas": [META] * 2000},
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_held_against_the_candidate(what: str) -> None:
    child = Parrot(NONSENSE[what])
    with Session(child, Candidate(name="c", source="", entry="f"), PROBLEM, room_for(EXPECTED)) as session:  # type: ignore[arg-type]
        with pytest.raises(CandidateError) as failure:
            session.call(CALLS[0])
    assert failure.value.status is Status.REWARD_HACK


# A candidate that has taken over the program around it.

TAKES_OVER = """
import os, sys, time, torch
frame = sys._getframe()
while "program" not in frame.f_locals:
    frame = frame.f_back
program = frame.f_locals["program"]
wire = program.wire
def f(x): return x + 1
"""
SPEAKS = {
    "answers twice": "def f(x):\n    wire.send({'ok': {'metas': [], 'written': []}})\n    return x + 1",
    "writes to the socket": "def f(x):\n    os.write(wire.sock.fileno(), b'x' * 100)\n    return x + 1",
    "answers for the next one": (
        "old = wire.send\n"
        "def send(message):\n"
        "    old(message)\n"
        "    wire.number = 0\n"
        "    old({'ok': {}})\n"
        "wire.send = send"
    ),
}


@pytest.fixture
def child() -> Iterator[Child]:
    with Child(arena_bytes(CALLS, EXPECTED), limits=LIMITS, threads=1) as one:
        yield one


def loaded(child: Child, source: str) -> Session:
    return Session(child, Candidate(name="c", source=source, entry="f"), PROBLEM, room_for(EXPECTED))


@pytest.mark.parametrize("how", SPEAKS)
def test_who_speaks_out_of_turn_is_refused(child: Child, how: str) -> None:
    with pytest.raises(CandidateError) as failure, loaded(child, TAKES_OVER + SPEAKS[how]) as session:
        _ = [session.call(call) for call in CALLS]
    assert failure.value.status is Status.REWARD_HACK and not child.alive


ENDS_AHEAD = TAKES_OVER + (
    "send = wire.send\n"
    "def ahead(message):\n"
    "    send(message)\n"
    "    if 'prepared' in message:\n"
    "        send({'ended': 1, 'done': 9})\n"
    "wire.send = ahead"
)


def test_a_block_cannot_end_before_it_was_told_to_begin(child: Child) -> None:
    with loaded(child, ENDS_AHEAD) as session, pytest.raises(CandidateError) as failure:
        session.time(CALLS, [0, 1, 2] * 3)
    assert failure.value.status is Status.REWARD_HACK


PEEKS = (
    TAKES_OVER
    + """
begin = program.begin
def peek():
    program.asked = repr(sys._getframe(1).f_locals["message"])
    program.before = program.raw.clone().numpy().tobytes()
    return begin()
program.begin = peek
def f(x):
    if not hasattr(program, "asked"):
        return x
    told = "schedule': [1" in program.asked
    known = x.numpy().tobytes() in program.before
    return torch.tensor([float(told), float(known), 7.0])
"""
)


@pytest.mark.parametrize("late", [False, True])
def test_neither_schedule_nor_unseen_content_is_there_before_the_clock_runs(child: Child, late: bool) -> None:
    with loaded(child, PEEKS) as session:
        block = session.time(CALLS, [1], late={1: unseen(0)} if late else None)
    assert block.outcome.outputs[0].tolist() == [0.0, 0.0 if late else 1.0, 7.0]


SKIPS = TAKES_OVER + (
    "def f(x):\n"
    "    time.sleep(0.008)\n"
    "    return x + 1\n"
    "def skip(message):\n"
    "    prepared = [program.prepare(i)[0] for i in message['slots']]\n"
    "    done = [f(*p) for p in prepared] if AHEAD else []\n"
    "    schedule = bytes.fromhex(program.begin()['schedule'])\n"
    "    begun = time.perf_counter_ns()\n"
    "    time.sleep(1e-4 * len(schedule))\n"
    "    now = time.perf_counter_ns()\n"
    "    n = len(schedule)\n"
    "    wire.send({'ended': now, 'done': n})\n"
    "    stamps = [begun + (now - begun) * i // n for i in range(n + 1)]\n"
    "    program.raw[message['stamps']:message['stamps'] + 8 * n + 8].view(torch.int64)[:] = torch.tensor(stamps)\n"
    "    if message['each']:\n"
    "        slots = [message['slots'][i] for i in schedule]\n"
    "        kept = [done[i] if AHEAD else f(*prepared[i]) for i in schedule]\n"
    "        return {'each': program.results_of_each(kept, slots, message['each']), 'done': n}\n"
    "    out = (done[schedule[-1]] if AHEAD else f(*prepared[schedule[-1]]),)\n"
    "    metas = [program.meta(0, out[0], message['slots'][0], out)]\n"
    "    return {'metas': metas, 'written': program.copy_out(out, message['regions']), 'done': n}\n"
    "program.time = skip\n"
    "sys._getframe(0)\n"
    "while 'handlers' not in frame.f_locals: frame = frame.f_back\n"
    "frame.f_locals['handlers']['time'] = skip\n"
)


def right(trial: int, outcome: Any) -> None:
    if not torch.equal(outcome.outputs[0], unseen(trial).args["x"] + 1):
        raise CandidateError(Status.INCORRECT_NUMERICAL, "wrong in the witness's call")


def more() -> Inputs:
    return unseen(random.randrange(10**6, 10**9))


def unseen(trial: int) -> Inputs:
    return PROBLEM.make_inputs(PROBLEM.workloads[0], 1000 + trial)


@pytest.mark.parametrize(("ahead", "status"), [(False, "TIMING_INCONSISTENT"), (True, "INCORRECT_NUMERICAL")])
def test_work_left_out_of_the_clock_is_found_by_the_witness(child: Child, ahead: bool, status: str) -> None:
    """A candidate that answers in the program's place claims what it likes, and its results are right: what was timed
    cannot be told from honest work. It cannot have done its work on what it has never seen."""
    with loaded(child, SKIPS.replace("AHEAD", str(ahead))) as session:
        claimed = measure(session, CALLS, cold=False, effort=Effort(budget_s=0.2, calls=8, block_s=0.02)).median_s
        assert claimed < 0.001
        with pytest.raises(CandidateError) as failure:
            witness(session, CALLS, unseen, more, right, claimed)
    assert failure.value.status == status


@pytest.mark.parametrize("sleep_s", [0, 0.003])
def test_the_witness_bears_an_honest_candidate_out(child: Child, sleep_s: float) -> None:
    with loaded(child, f"import time\ndef f(x):\n    time.sleep({sleep_s})\n    return x + 1") as session:
        claimed = measure(session, CALLS, cold=False, effort=Effort(budget_s=0.2, calls=8, block_s=0.02)).median_s
        witness(session, CALLS, unseen, more, right, claimed)


SLOW_CLOCK = TAKES_OVER + (
    "import types\n"
    "def f(x):\n"
    "    for _ in range(100): x = x + 1 - 1\n"
    "    return x + 1\n"
    "real, begun = time.perf_counter_ns, []\n"
    "def slow():\n"
    "    begun.append(real())\n"
    "    return begun[0] + (begun[-1] - begun[0]) * 6 // 10\n"
    "sys.modules['__main__'].time = types.SimpleNamespace(perf_counter_ns=slow, perf_counter=time.perf_counter)\n"
)


def test_a_slow_clock_in_the_child_is_found_by_the_parents_clock(child: Child) -> None:
    with loaded(child, SLOW_CLOCK) as session, pytest.raises(CandidateError) as failure:
        run_block(session, CALLS, Block([0, 1, 2] * 100))
    assert failure.value.status is Status.TIMING_INCONSISTENT


def test_an_empty_block_is_timed_before_a_candidate_is_there(child: Child) -> None:
    source = TAKES_OVER + "def idle(message):\n    raise SystemExit\nprogram.idle = idle"
    with loaded(child, source) as session:
        assert 0 < session._latency_s == child.latency_s < 0.1
        assert session.time(CALLS, [0, 1]).latency_s == child.latency_s


def test_a_child_that_never_reads_ends_in_time() -> None:
    with Child(arena_bytes(CALLS, EXPECTED), limits=LIMITS, threads=1) as child:
        assert child.sandbox
        start_s = time.monotonic()
        os.killpg(child._process.pid, signal.SIGSTOP)
        child.wire.send = functools.partial(child.wire.send, timeout_s=0.5)  # type: ignore[method-assign]
        with pytest.raises(CandidateError) as failure:
            child.ask("go", 1, schedule=["x" * 1000] * 4000)
        assert failure.value.status is Status.TIMEOUT
        assert time.monotonic() - start_s < 15


UGLY = "def f(x): raise RuntimeError('\\ud800 \\x1b[2J\\x00\\u202e end')"


def test_what_a_candidate_says_can_be_printed_and_stored(child: Child) -> None:
    with loaded(child, UGLY) as session, pytest.raises(CandidateError) as failure:
        session.call(CALLS[0])
    said = failure.value.detail + "".join(failure.value.__notes__)
    assert "end" in said and json.loads(json.dumps(said).encode()) == said.encode().decode()
    assert not any(c in said for c in "\x1b\x00\u202e")
