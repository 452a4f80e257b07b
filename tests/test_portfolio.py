"""The seeds of a search: what each proposer offers, and that operators are found by mathematics and never by name."""

from __future__ import annotations

import textwrap

import pytest
import torch

from tilewright.candidate import Candidate
from tilewright.optimize import proposers
from tilewright.optimize.context import Context, Declined
from tilewright.optimize.proposers import compiled, eager, library, parameters, user
from tilewright.optimize.strategies import WorkItem
from tilewright.problem import Inputs, Parameter, Problem, Space, Workload

pytestmark = pytest.mark.timed

SMALL = Workload(name="small", axes={"M": 6, "N": 16})


def rms(x: torch.Tensor, weight: torch.Tensor | None = None, eps: float = 1e-6) -> torch.Tensor:
    out = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return out if weight is None else out * weight


def soft(x: torch.Tensor, dim: int = -1) -> torch.Tensor:
    return torch.softmax(x, dim)


def mm(a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None = None, activation: str = "none") -> torch.Tensor:
    out = a @ b if bias is None else a @ b + bias
    return torch.relu(out) if activation == "relu" else out


OPERATORS = {
    "rms_norm": Problem(name="rms_norm", reference=rms),
    "softmax": Problem(name="softmax", reference=soft),
    "gemm": Problem(name="gemm", reference=mm, workloads=(SMALL.with_(params={"activation": "relu"}),)),
}


def module_problem(text: str, *, shapes=((6, 16),), init=()) -> Problem:
    """A problem of kind "module" from the text of a Model, with ones and zeros as its parameters where it says so."""
    source = textwrap.dedent(text)
    scope: dict = {}
    exec(compile("import torch\nfrom torch import nn\n" + source, "model", "exec"), scope)
    model = scope["Model"]
    names = list(model.forward.__code__.co_varnames[1 : model.forward.__code__.co_argcount])

    def inputs(_: Workload, generator: torch.Generator) -> Inputs:
        args = {n: torch.randn(s, generator=generator) for n, s in zip(names, shapes, strict=True)}
        return Inputs(args, {k: v.detach() for k, v in model(*init).state_dict().items()}, init)

    source = "import torch\nfrom torch import nn\n" + source
    return Problem(name="p", kind="module", source=source, workloads=(SMALL,), reference=model, inputs=inputs)


STRANGE_RMS = """
class Model(nn.Module):
    def __init__(self, n, tiny):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n))
        self.tiny = tiny

    def forward(self, hidden):
        length = torch.linalg.vector_norm(hidden, dim=1) / hidden.shape[1] ** 0.5
        return torch.einsum("mn,n,m->mn", hidden, self.scale, 1 / torch.sqrt(length**2 + self.tiny))
"""


def found(problem: Problem) -> list[library.Match]:
    return list(library.matches(problem, SMALL, OPERATORS, seed=3))


def test_an_operator_written_strangely_is_found_with_its_numbers():
    (match,) = found(module_problem(STRANGE_RMS, init=(16, 1e-5)))
    assert match.operator == "rms_norm"
    assert match.arguments == {"x": "hidden", "weight": "self.scale", "eps": "1e-05"}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("length = ", "hidden = hidden - hidden.mean(1, keepdim=True)\n        length = "),
        ("length**2 + self.tiny", "length**2"),
        ("length**2 + self.tiny", "length**2 + 1.5 * self.tiny"),
        ("** 0.5", "** 0.5 + 1e-6"),
        ("self.scale, 1", "1 + self.scale, 1"),
    ],
)
def test_near_misses_are_not_taken_for_the_operator(was, becomes):
    assert was in STRANGE_RMS
    assert found(module_problem(STRANGE_RMS.replace(was, becomes), init=(16, 1e-5))) == []


def test_linear_with_relu_is_a_gemm_with_its_weight_transposed():
    text = """
    class Model(nn.Module):
        def __init__(self, k, n):
            super().__init__()
            self.inner = nn.Linear(k, n)

        def forward(self, rows):
            return self.inner(rows).clamp(min=0)
    """
    (match,) = found(module_problem(text, init=(16, 8)))
    assert match.arguments == {
        "a": "rows",
        "b": "self.inner.weight.t()",
        "bias": "self.inner.bias",
        "activation": "'relu'",
    }


def test_a_dimension_is_found():
    text = """
    class Model(nn.Module):
        def forward(self, x):
            e = torch.exp(x - x.amax(0, keepdim=True))
            return e / e.sum(0, keepdim=True)
    """
    (match,) = found(module_problem(text))
    assert match.arguments == {"x": "x", "dim": "0"}


def test_one_output_of_several_is_picked():
    def add_rms(x: torch.Tensor, residual: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x + residual, rms(x + residual)

    text = """
    class Model(nn.Module):
        def forward(self, x, y):
            return (x + y) * torch.rsqrt(torch.mean((x + y) ** 2, 1, keepdim=True) + 1e-6)
    """
    problem = module_problem(text, shapes=((6, 16), (6, 16)))
    (match,) = library.matches(problem, SMALL, {"add_rms": Problem(name="add_rms", reference=add_rms)}, seed=3)
    assert (match.outputs, match.of) == ((1,), 2)
    assert "return outputs[1]" in library._candidate(problem, match).source


def test_the_proposed_text_runs_and_is_the_operator(monkeypatch):
    from tilewright import ops

    monkeypatch.setattr(ops, "names", lambda: sorted(OPERATORS), raising=False)
    monkeypatch.setattr(ops, "get", OPERATORS.__getitem__, raising=False)
    monkeypatch.setattr(ops, "rms_norm", rms, raising=False)
    problem = module_problem(STRANGE_RMS, init=(16, 1e-5))
    (candidate,) = library.propose(Context(problem, SMALL))
    assert (candidate.origin, candidate.entry, candidate.kind) == ("library", "ModelNew", "module")
    model = load(candidate)(16, 1e-5)
    x = torch.randn(6, 16)
    torch.testing.assert_close(model(x), problem.reference(16, 1e-5)(x))
    with pytest.raises(Declined, match="no operator"):
        list(library.propose(Context(module_problem(STRANGE_RMS.replace("** 0.5", "** 0.4"), init=(16, 1e-5)), SMALL)))


def load(candidate: Candidate):
    scope: dict = {"__name__": "candidate"}
    exec(compile(candidate.source, "candidate.py", "exec"), scope)
    return scope[candidate.entry]


def test_eager_is_the_reference_itself():
    problem = module_problem(STRANGE_RMS, init=(16, 1e-5))
    (candidate,) = eager.propose(Context(problem, SMALL))
    x = torch.randn(6, 16)
    assert torch.equal(load(candidate)(16, 1e-5)(x), problem.reference(16, 1e-5)(x))
    (function,) = eager.propose(Context(Problem(name="f", reference=rms), SMALL))
    assert torch.equal(load(function)(x), rms(x))


def test_compiled_has_two_modes_when_there_is_time_and_brings_its_proof():
    problem = module_problem(STRANGE_RMS, init=(16, 1e-5))
    both = list(compiled.propose(Context(problem, SMALL, budget_s=60)))
    assert [c.name for c in both] == ["torch.compile", "torch.compile max-autotune"]
    assert len({c.digest for c in both}) == 2
    assert [c.name for c in compiled.propose(Context(problem, SMALL, budget_s=20))] == ["torch.compile"]
    assert all("def proof()" in c.source and "fullgraph=True, dynamic=False" in c.source for c in both)
    assert issubclass(load(both[0]), torch.nn.Module)


def test_parameters_makes_children_that_know_their_parent():
    space = Space(parameters=(Parameter(name="A", values=(1, 2), default=1),))
    parent = Candidate(
        name="p", source='PARAMS = {"A": 1}\n\n\ndef f(x):\n    return x * PARAMS["A"]\n', entry="f", space=space
    )
    (child,) = parameters.propose(Context(OPERATORS["softmax"], SMALL, work=((parent, WorkItem({"A": 2})),)))
    assert child.params == {"A": 2}
    assert child.parents == (parent.digest,)
    assert load(child)(3) == 6
    assert list(user.propose(Context(OPERATORS["softmax"], SMALL, user=(parent,)))) == [parent]


def test_proposers_are_the_files_of_their_folder_and_each_has_a_stage():
    assert proposers.names("baseline") == ["eager", "compiled"]
    assert set(proposers.names("seed")) >= {"library", "rowwise", "user"}
    assert proposers.names("child") == ["parameters"]
    with pytest.raises(ValueError, match="no proposer"):
        proposers.get("absent")
