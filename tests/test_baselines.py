"""Baselines by name: those of PyTorch, peers that may not be installed, and proof that torch.compile compiled."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tilewright import baselines, bench_rows, ops
from tilewright.baselines import Skipped
from tilewright.candidate import Candidate, Status
from tilewright.device import detect
from tilewright.optimize.context import Context
from tilewright.optimize.proposers import compiled
from tilewright.problem import Problem, Workload
from tilewright.record import Record
from tilewright.results import SKIPPED
from tilewright.verify.verdict import Verdict


def context(op: str, device: str = "cpu", **params: Any) -> Context:
    workload = Workload(name="w", axes={"M": 4, "N": 8, "K": 8}, params=params)
    return Context(problem=ops.get(op), workload=workload, device=device)


def load(candidate: Candidate) -> Any:
    scope: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(candidate.source, "candidate.py", "exec"), scope)
    return scope


def test_baselines_are_the_files_of_their_folder() -> None:
    assert baselines.names()[:4] == ("eager", "compile", "compile-max", "vendor")
    assert {"liger", "quack"} <= set(baselines.names())


@pytest.mark.parametrize("residual", [False, True])
def test_the_vendors_rms_norm_is_the_reference(residual: bool) -> None:
    found = baselines.candidate("vendor", context("rms_norm"))
    x, weight, other = torch.randn(4, 8), torch.randn(8), torch.randn(4, 8) if residual else None
    mine = load(found)["rms_norm"](x, weight, other, 1e-5)
    torch.testing.assert_close(mine, ops.get("rms_norm").reference(x, weight, other, 1e-5))


@pytest.mark.parametrize("activation", ["relu", "gelu", None])
def test_the_vendors_gemm_is_the_reference(activation: str | None) -> None:
    found = baselines.candidate("vendor", context("gemm", bias=True, activation="relu"))
    a, b, bias = torch.randn(2, 4, 8), torch.randn(8, 6), torch.randn(6)
    mine = load(found)["gemm"](a, b, bias, activation)
    torch.testing.assert_close(mine, ops.get("gemm").reference(a, b, bias, activation))


@pytest.mark.parametrize(
    ("name", "asked", "why"),
    [
        ("liger", context("rms_norm"), "liger runs on a GPU only: it needs --device cuda"),
        ("vendor", context("softmax"), "the reference of softmax on w is one call of the vendor already"),
        ("vendor", context("gemm", bias=True), "baseline eager times"),
        ("vendor", Context(Problem(name="mine", reference=torch.neg), Workload(name="w")), "no call for mine; it has"),
    ],
)
def test_a_baseline_that_there_is_none_of_says_why(name: str, asked: Context, why: str) -> None:
    with pytest.raises(Skipped, match=why):
        baselines.candidate(name, asked)


@pytest.mark.parametrize(
    ("name", "op", "install"),
    [("liger", "softmax", "pip install liger-kernel"), ("quack", "gemm", "pip install quack-kernels")],
)
def test_a_peer_is_named_with_its_install_line_and_never_imported(
    name: str, op: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(Skipped, match=f"{name} is not installed: {install}"):
        baselines.candidate(name, context(op, "cuda"))
    monkeypatch.setattr("importlib.util.find_spec", lambda package: object())
    found = baselines.candidate(name, context(op, "cuda"))
    assert (found.name, found.origin, found.entry) == (name, name, op)
    compile(found.source, "peer.py", "exec")


def test_a_skipped_baseline_has_a_row_and_is_said_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, workload = ops.get("softmax"), Workload(name="w", axes={"M": 4, "N": 8}, weight=3.0)
    own, (row,) = bench_rows._baselines(problem, workload, ["eager", "liger"], detect("cpu"))
    assert list(own) == ["eager"]
    assert (row.status, row.impl, row.calls, row.baseline, row.median_s) == (SKIPPED, "liger", 3.0, True, None)
    said: list[str] = []
    monkeypatch.setattr(bench_rows, "_rows", lambda *_: [])
    monkeypatch.setattr(bench_rows, "_built", lambda *_: None)
    for names in (["eager", "liger"], ["liger"]):  # the second leaves nothing to measure
        said.clear()
        assert bench_rows.rows_of(problem, workload, [], names, detect("cpu"), say=said.append) == [row]
    assert said == [f"skipped on w: {row.detail}"]


def test_more_shapes_than_dynamo_allows_are_still_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._dynamo

    usual, real = torch._dynamo.config.recompile_limit, torch.compile
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setattr(torch, "compile", lambda f, mode, **rest: real(f, backend="eager", **rest))
    (found,) = compiled.compiled(context("softmax"), ["torch.compile"])
    with torch._dynamo.config.patch(recompile_limit=usual, accumulated_recompile_limit=256):
        scope = load(found)
        for n in range(2, usual + 4):
            scope["compiled"](torch.ones(2, n))
        proof = scope["proof"]()
    assert proof == {"unique_graphs": usual + 2, "graph_breaks": 0, "recompile_limit": compiled.RECOMPILE_LIMIT}
    assert compiled.fell_back(proof) == ""


@pytest.mark.parametrize(
    "proof",
    [
        None,
        {},
        {"unique_graphs": 0, "graph_breaks": 0, "recompile_limit": 100},
        {"unique_graphs": 2, "graph_breaks": 1, "recompile_limit": 100},
        {"unique_graphs": 8, "graph_breaks": 0, "recompile_limit": 8},
    ],
)
def test_a_compiled_baseline_that_ran_eagerly_is_an_error(proof: Any) -> None:
    record = Record(candidate="c", name="compile", origin="compiled", facts={"proof": proof},
                    verdict=Verdict(status=Status.PASSED, tier="measure"))  # fmt: skip
    refused = bench_rows._compiled(record)
    assert refused.status is Status.COMPILE_ERROR
    assert "torch.compile" in refused.verdict.detail
    assert bench_rows._compiled(record.with_(origin="eager")).passed
