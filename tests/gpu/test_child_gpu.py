"""A child on a GPU: what a candidate does there costs the candidate, and nobody else."""

from __future__ import annotations

import pytest
import torch

from tilewright.candidate import Candidate, CandidateError, Status
from tilewright.child.process import Child, Limits
from tilewright.child.room import arena_bytes, room_for
from tilewright.child.sandbox import is_weak
from tilewright.child.session import Session
from tilewright.problem import Inputs, Problem, Workload

pytestmark = pytest.mark.gpu

LIMITS = Limits(first_call_s=20, call_s=10)
PROBLEM = Problem(
    name="scale",
    reference=lambda x, w: x * w,
    inputs=lambda workload, g: Inputs({"x": torch.randn(1000, 257, generator=g), "w": torch.randn(257, generator=g)}),
    workloads=(Workload(name="small"),),
)
CALLS = [PROBLEM.make_inputs(PROBLEM.workloads[0], seed) for seed in range(3)]
EXPECTED = [PROBLEM.run(call) for call in CALLS]
GOOD = "def f(x, w): return x * w"


def started() -> Child:
    return Child(arena_bytes(CALLS, EXPECTED[0]), limits=LIMITS, gpu=0)


@pytest.fixture
def child():
    with started() as one:
        yield one


def loaded(child: Child, source: str) -> Session:
    return Session(child, Candidate(name="c", source=source, entry="f"), PROBLEM, room_for(EXPECTED[0]))


def is_right(session: Session, number: int = 0) -> bool:
    return torch.equal(session.call(CALLS[number]).outputs[0].cpu(), EXPECTED[number][0])


def test_inputs_reach_the_gpu_and_outputs_come_back(child):
    with loaded(child, GOOD) as session:
        outcome = session.call(CALLS[0])
        assert torch.equal(outcome.outputs[0].cpu(), EXPECTED[0][0])
        assert outcome.metas[0].device == "cuda" and outcome.stable
        assert not outcome.mutated and not outcome.out_of_bounds and not outcome.metas[0].aliases


def test_the_wall_is_as_high_as_on_the_cpu(child):
    assert not is_weak(child.sandbox)
    with loaded(child, "import socket\ndef f(x, w): socket.create_connection(('127.0.0.1', 9), timeout=1)") as session:
        with pytest.raises(CandidateError, match=r"Permission|refused|unreachable"):
            session.call(CALLS[0])


def test_writes_to_inputs_and_past_their_end_are_seen(child):
    with loaded(child, "def f(x, w):\n    x[3, 5] += 1\n    return x * w") as session:
        assert session.call(CALLS[0]).mutated == ("args.x",)
    with loaded(child, "def f(x, w):\n    x.as_strided((257000 + 64,), (1,))[-32:] = 0\n    return x * w") as session:
        assert session.call(CALLS[0]).out_of_bounds == ("args.x",)
        assert is_right(session, 1)


def test_an_alias_and_a_shared_output_buffer_are_seen(child):
    with loaded(child, "def f(x, w): return x") as session:
        assert session.call(CALLS[0]).metas[0].aliases == ("args.x",)
    source = "import torch\nkept = torch.empty(1000, 257, device='cuda')\ndef f(x, w): return torch.mul(x, w, out=kept)"
    with loaded(child, source) as session:
        session.call(CALLS[0])
        assert not session.call(CALLS[1]).stable


def test_what_is_never_written_is_poison(child):
    with loaded(child, "import torch\ndef f(x, w): return torch.empty_like(x)") as session:
        assert bool(session.call(CALLS[0], poison=True).outputs[0].isnan().all())


ILLEGAL = """
import torch
import triton
import triton.language as tl
@triton.jit
def kernel(out, far):
    tl.store(out + far + tl.arange(0, 128), 1.0)
def f(x, w):
    out = torch.empty_like(x)
    kernel[(1,)](out, 1 << 44)
    return out
"""
FATES = {
    "illegal access": (ILLEGAL, Status.RUNTIME_ERROR),
    "hangs on the device": (
        "import torch\ndef f(x, w):\n    torch.cuda._sleep(10**13)\n    return x * w",
        Status.TIMEOUT,
    ),
    "takes all memory": (
        "import torch\nkept = []\ndef f(x, w):\n    while True: kept.append(torch.empty(1 << 30, device='cuda'))",
        Status.RESOURCE,
    ),
    "dies": ("import os\ndef f(x, w): os.abort()", Status.RUNTIME_ERROR),
}


@pytest.mark.parametrize("fate", FATES)
def test_a_fault_costs_the_candidate_its_verdict_and_nothing_else(fate):
    source, status = FATES[fate]
    with started() as bad, pytest.raises(CandidateError) as failure, loaded(bad, source) as session:
        session.call(CALLS[0])
    assert failure.value.status is status
    with started() as fresh, loaded(fresh, GOOD) as session:
        assert is_right(session)


def test_a_fault_does_not_reach_a_child_beside_it(child):
    with loaded(child, GOOD) as session:
        assert is_right(session)
        with started() as bad, pytest.raises(CandidateError), loaded(bad, ILLEGAL) as other:
            other.call(CALLS[0])
        assert is_right(session, 1) and is_right(session, 2)


def test_gradients_come_back(child):
    with loaded(child, GOOD) as session:
        seed = torch.ones_like(EXPECTED[0][0])
        outcome = session.call(CALLS[0], grads=("x", "w"), grad_outputs=(seed,))
    assert torch.equal(outcome.grads["x"].cpu(), CALLS[0].args["w"].expand(1000, 257))
    error = outcome.grads["w"].cpu().double() - CALLS[0].args["x"].double().sum(0)
    assert float(error.abs().max()) < 1000 * torch.finfo(torch.float32).eps * float(CALLS[0].args["x"].abs().max())


def test_the_memory_of_a_child_is_given_back():
    free = torch.cuda.mem_get_info()[0]
    for _ in range(3):
        with Child(1 << 30, limits=LIMITS, gpu=0) as one:
            assert one.sandbox
    assert free - torch.cuda.mem_get_info()[0] < 256 << 20
