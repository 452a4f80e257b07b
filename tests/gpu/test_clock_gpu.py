"""The clock on a GPU: it agrees with itself, and what hides work from it is found out."""

from __future__ import annotations

import pytest
import torch

from tilewright import ops, targets
from tilewright.candidate import Candidate, Status
from tilewright.device import ClockState
from tilewright.evaluate import Evaluator
from tilewright.measure import timers
from tilewright.problem import Workload

pytestmark = pytest.mark.gpu

SHAPE = Workload(name="rows", axes={"M": 4096, "N": 4096}, dtype="bfloat16")
HEAD = """
import torch
def norm(x, w, eps):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps) * w.float()).to(x.dtype)
"""
ENTRY = "def rms_norm(x, w, residual=None, eps=1e-6):\n"
HONEST = f"{HEAD}\n{ENTRY}    return norm(x, w, eps)\n"
CHEATS = {
    "keeps results and launches nothing": (
        f"{HEAD}\nkept = {{}}\n{ENTRY}    key = x.data_ptr()\n"
        "    if key not in kept: kept[key] = norm(x, w, eps)\n    return kept[key]\n"
    ),
    "leaves work on a stream of its own": (
        f"{HEAD}\nside = torch.cuda.Stream()\n{ENTRY}    out = torch.empty_like(x)\n"
        "    with torch.cuda.stream(side): out.copy_(norm(x, w, eps))\n"
        "    if not torch.cuda.is_current_stream_capturing(): torch.cuda.current_stream().wait_stream(side)\n"
        "    return out\n"
    ),
}


@pytest.fixture(scope="module")
def evaluator():
    with Evaluator(ops.get("rms_norm"), SHAPE, device="cuda") as one:
        yield one


def candidate(name: str, source: str) -> Candidate:
    return Candidate(name=name, source=source, entry="rms_norm")


def test_a_measurement_repeats_and_agrees_with_cupti(evaluator):
    kernel = targets.operator_candidate("rms_norm", "triton")
    first = evaluator.evaluate(kernel).measurement
    again = evaluator.evaluate(kernel).measurement
    certified = evaluator.certify(kernel).measurement
    assert first is not None and again is not None and certified is not None
    assert abs(first.median_s / again.median_s - 1) < 0.02
    assert certified.kernel_s is not None and abs(certified.kernel_s / certified.median_s - 1) < 0.1
    assert any("rms_norm" in name for name in certified.kernels)
    assert certified.clocks is not None and certified.clocks.sm_high_hz > 1e9
    assert certified.host_s is not None and first.state == "cold"


@pytest.mark.parametrize("cheat", CHEATS)
def test_what_hides_work_from_the_clock_is_refused(evaluator, cheat):
    assert not evaluator.evaluate(candidate(cheat, CHEATS[cheat])).passed
    assert evaluator.evaluate(candidate("honest", HONEST)).passed


def test_a_candidate_that_waits_for_the_gpu_is_timed_in_bursts(evaluator):
    source = HONEST.replace(
        "    return norm(x, w, eps)", "    out = norm(x, w, eps)\n    out[0, 0].item()\n    return out"
    )
    record = evaluator.evaluate(candidate("waits", source))
    assert record.passed and record.measurement is not None and "burst" in record.measurement.method


BROKEN = {
    "illegal": f"import torch\n{ENTRY}    return x.view(-1)[torch.full((4,), 1 << 44, device=x.device)]\n",
    "hangs": f"import torch\n{ENTRY}    torch.cuda._sleep(10**13)\n    return x * 1\n",
    "takes all": f"import torch\nkept = []\n{ENTRY}    while True: kept.append(torch.empty(1 << 30, device='cuda'))\n",
}


@pytest.mark.parametrize("fate", BROKEN)
def test_the_next_candidate_is_judged_and_timed_as_if_alone(evaluator, fate):
    kernel = targets.operator_candidate("rms_norm", "triton")
    alone = evaluator.evaluate(kernel)
    broken = evaluator.evaluate(candidate(fate, BROKEN[fate]), timeout_s=25)
    assert broken.status in (Status.RUNTIME_ERROR, Status.TIMEOUT, Status.RESOURCE)
    after = evaluator.evaluate(kernel)
    assert alone.passed, alone.verdict
    assert after.passed, after.verdict
    assert abs(after.median_s / alone.median_s - 1) < 0.02


def test_several_children_share_a_gpu_in_a_paired_comparison(evaluator):
    kernel = targets.operator_candidate("rms_norm", "triton")
    slow = candidate("honest", HONEST)
    records, comparisons = evaluator.compare([kernel, slow], budget_s=3)
    assert all(record.passed for record in records.values())
    ratio = next(c for c in comparisons if c.name == kernel.digest)
    assert ratio.faster and ratio.ci_high - ratio.ci_low < 0.05 * ratio.ratio


SMALL = Workload(name="few rows", axes={"M": 1024, "N": 4096}, dtype="bfloat16")


def test_a_benchmark_also_says_what_a_call_takes_in_a_cache_without_a_graph_and_in_joules():
    kernel, plain = targets.operator_candidate("rms_norm", "triton"), candidate("honest", HONEST)
    with Evaluator(ops.get("rms_norm"), SMALL, device="cuda") as evaluator:
        records, _ = evaluator.compare([kernel, plain], budget_s=2, thorough=True)
    limit_w = ClockState().power_limit_w
    for record in records.values():
        measured = record.measurement
        assert record.passed and measured is not None, record.verdict
        assert measured.state == "cold" and measured.warm_s < measured.median_s
        assert measured.eager_s > 0.8 * measured.host_s  # launches take the host at least that long
        assert measured.sustained_s is not None and measured.kernel_s is not None
        assert 50 < measured.energy_j / measured.sustained_s < 1.1 * limit_w
    assert records[kernel.digest].measurement.eager_s > records[kernel.digest].measurement.median_s


KEEPERS = {
    "outside of graphs": (
        f"{HEAD}\nkept = {{}}\n{ENTRY}    key = x.data_ptr()\n"
        "    if key not in kept or torch.cuda.is_current_stream_capturing(): kept[key] = norm(x, w, eps)\n"
        "    return kept[key]\n"
    ),
    "of the last two inputs": (
        f"{HEAD}\nrecent = []\n{ENTRY}    key = x.data_ptr()\n"
        "    for known, result in recent:\n        if known == key: return result\n"
        "    recent.append((key, norm(x, w, eps)))\n    del recent[:-2]\n    return recent[-1][1]\n"
    ),
}


@pytest.mark.parametrize("keeps", KEEPERS)
def test_who_keeps_results_gains_nothing_warm_or_without_a_graph(evaluator, keeps):
    cheat, honest = candidate(keeps, KEEPERS[keeps]), candidate("honest", HONEST)
    records, _ = evaluator.compare([cheat, honest], budget_s=1, thorough=True)
    assert records[honest.digest].passed
    found, usual = records[cheat.digest], records[honest.digest].measurement
    if found.passed:  # then there is no time that it does not need
        assert found.measurement.warm_s is None or found.measurement.warm_s > 0.5 * usual.warm_s
        assert found.measurement.eager_s is None or found.measurement.eager_s > 0.5 * usual.eager_s


def test_wrong_results_are_found_on_the_gpu_too(evaluator):
    wrong = candidate("scaled", HONEST.replace("return norm(x, w, eps)", "return norm(x, w, eps) * 1.01"))
    assert evaluator.evaluate(wrong).status is Status.INCORRECT_NUMERICAL
    on_host = candidate("on the host", HONEST.replace("return norm(x, w, eps)", "return norm(x, w, eps).cpu()"))
    assert not evaluator.evaluate(on_host).passed
    torch.cuda.synchronize()


def test_the_method_of_the_clock_agrees_with_the_record_of_the_kernel():
    for found in timers.self_test((2e-5, 1e-3)).values():
        assert timers.is_trusted(found, "graph")
        assert found["events"].median_s > found["activity"].median_s
