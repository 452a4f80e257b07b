"""Generated row-wise C++: right against float64 wherever torch is, refused with a reason elsewhere."""

from __future__ import annotations

import inspect
import itertools
import random
import subprocess
import sys
import types

import pytest
import torch
import torch.nn.functional as F

from tilewright.candidate import Candidate
from tilewright.optimize.rowwise import NotRowwise, generate
from tilewright.problem import Inputs, Problem, Workload, as_tuple

ROWS, COLUMNS = 7, 301  # no multiple of any vector
X = (ROWS, COLUMNS)
WORKLOAD = Workload(name="small")


def rms_norm_residual(x, residual, w):
    h = x + residual
    return h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + 1e-6) * w, h


def softmax(x):
    return F.softmax(x, dim=-1)


def masked_softmax(x, mask):
    return F.softmax(x.masked_fill(~mask, float("-inf")) / 0.7, -1)


def additive_mask(x, bias):
    return F.softmax(x * 0.125 + bias, -1)


def causal_softmax(x):
    keep = torch.ones(x.shape[-1], x.shape[-1], dtype=torch.bool).tril()
    return F.softmax(torch.where(keep, x, float("-inf")), -1)


def log_softmax(x):
    return F.log_softmax(x, -1)


def layer_norm(x, w, b):
    return F.layer_norm(x, (x.shape[-1],), w, b)


def norm_of_heads(x):
    return F.normalize(x.view(x.shape[0], 7, 43), dim=-1).view(x.shape[0], 301)


def swiglu(x):
    a, b = x.chunk(2, -1)
    return F.silu(a) * b


def geglu_residual(x, residual):
    a, b = x.chunk(2, -1)
    return F.gelu(a) * b + residual


def rotary(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def gelu_chain(x):
    return F.gelu(x) + F.gelu(x * 3, approximate="tanh")


def special_functions(x):
    a = x.abs()
    return (
        torch.exp(x), torch.exp2(x), torch.expm1(x), torch.log(a), torch.log1p(a), torch.log2(a), torch.tanh(x),
        torch.sigmoid(x), torch.erf(x), F.softplus(x), torch.sin(x), torch.cos(x), a**1.3, torch.sqrt(a),
        F.elu(x), F.mish(x), F.hardswish(x), F.leaky_relu(x),
    )  # fmt: skip


def rounding(x):
    return torch.round(x * 4), torch.floor(x), torch.ceil(x), torch.trunc(x * 3), torch.sign(x), torch.frac(x)


def cosine(x, y):
    return F.cosine_similarity(x, y, dim=-1)


def statistics_per_row(x):
    variance, mean = torch.var_mean(x, -1)
    low, high = x.aminmax(dim=-1, keepdim=True)
    return variance, mean, x.std(-1, keepdim=True), low, high, torch.logsumexp(x, -1), x.norm(dim=-1), x.norm(1, -1)


def log_sum_exp_bias(x, bias):
    return torch.logsumexp(x + bias, -1)


def z_score(x):
    return ((x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)).clamp(-2, 2)


def quantise(x):
    scale = x.abs().amax(-1, keepdim=True).clamp(min=1e-8) / 127
    return torch.round(x / scale).clamp(-128, 127) * scale


def divergence(x, y):
    return F.kl_div(F.log_softmax(x, -1), F.softmax(y, -1), reduction="batchmean")


def mean_square(x, y):
    return F.mse_loss(x, y)


def frobenius(x):
    return x / torch.norm(x)


def scale_rows(x, s):
    return x * s[:, None] + s.view(-1, 1).exp()


def views(x):
    return x[:, ::2] * 2, x.flip(-1), x[:, 3:200].sum(-1), x[:, 5], torch.stack([x, -x], -1)


def through_bfloat16(x):
    return x.to(torch.bfloat16).float() * 3


def one_row(x):
    return x - x.mean(0) + F.softmax(x, 0)


CASES: dict[str, tuple] = {
    "rms_norm_residual": (rms_norm_residual, X, X, (COLUMNS,)),
    "softmax": (softmax, X),
    "masked_softmax": (masked_softmax, X, lambda g: torch.rand(X, generator=g) > 0.3),
    "additive_mask": (additive_mask, (2, 3, 5, 33), (2, 1, 1, 33)),
    "causal_softmax": (causal_softmax, (2, 19, 19)),
    "log_softmax": (log_softmax, X),
    "layer_norm": (layer_norm, X, (COLUMNS,), (COLUMNS,)),
    "norm_of_heads": (norm_of_heads, X),
    "swiglu": (swiglu, (ROWS, 2 * COLUMNS)),
    "geglu_residual": (geglu_residual, (ROWS, 2 * COLUMNS), X),
    "rotary": (rotary, (2, 3, 5, 62), (5, 62), (5, 62)),
    "gelu_chain": (gelu_chain, X),
    "special_functions": (special_functions, X),
    "rounding": (rounding, X),
    "cosine": (cosine, X, X),
    "statistics_per_row": (statistics_per_row, X),
    "log_sum_exp_bias": (log_sum_exp_bias, X, (COLUMNS,)),
    "z_score": (z_score, X),
    "quantise": (quantise, X),
    "divergence": (divergence, X, X),
    "mean_square": (mean_square, X, X),
    "frobenius": (frobenius, X),
    "scale_rows": (scale_rows, X, (ROWS,)),
    "views": (views, X),
    "through_bfloat16": (through_bfloat16, X),
    "one_row": (one_row, (1003,)),
}


def make_problem(fn, *specs) -> Problem:
    names = list(inspect.signature(fn).parameters)

    def inputs(workload, generator):
        made = [s(generator) if callable(s) else torch.randn(*s, generator=generator) for s in specs]
        return Inputs(args=dict(zip(names, made)))

    return Problem(name=fn.__name__, reference=fn, inputs=inputs)


def bind(candidate: Candidate):
    module = types.ModuleType("generated")
    exec(compile(candidate.source, "<candidate>", "exec"), module.__dict__)
    return getattr(module, candidate.entry)


def rms(x: torch.Tensor) -> float:
    return x.pow(2).mean().sqrt().item()


def assert_as_good_as_torch(problem: Problem, call: Inputs, got: tuple[torch.Tensor, ...]) -> None:
    """At most twice the RMS error of torch's float32, or of rounding the float64 result once; same NaN and Inf."""
    reference, truth = problem.run(call), problem.run(call.cast(torch.float64))
    assert len(got) == len(reference)
    for ours, theirs, exact in zip(got, reference, truth):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        if not exact.is_floating_point():
            assert torch.equal(ours, theirs)
            continue
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert torch.equal(ours.isinf(), theirs.isinf())
        finite = theirs.isfinite() & exact.isfinite()
        rounded = rms((exact.to(ours.dtype).double() - exact)[finite])
        allowed = 2 * max(rms((theirs.double() - exact)[finite]), rounded) if finite.any() else 0.0
        assert not finite.any() or rms((ours.double() - exact)[finite]) <= allowed


@pytest.mark.parametrize("name", CASES)
def test_as_accurate_as_torch(name):
    fn, *specs = CASES[name]
    problem = make_problem(fn, *specs)
    entry = bind(generate(problem, WORKLOAD))
    for seed in (1, 2):
        call = problem.make_inputs(WORKLOAD, seed)
        assert_as_good_as_torch(problem, call, as_tuple(entry(*call.args.values())))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("fn", [softmax, swiglu, gelu_chain])
def test_low_precision_inputs(fn, dtype):
    problem = make_problem(fn, lambda g: torch.randn(ROWS, 62, generator=g).to(dtype))
    call = problem.make_inputs(WORKLOAD, 3)
    assert_as_good_as_torch(problem, call, as_tuple(bind(generate(problem, WORKLOAD))(*call.args.values())))


def integers_and_masks(i):
    return i * 2 + 1, i > 3, i.sum(-1), i.amax(-1), (i > 0).any(-1), (i > -9).all(-1), i.argmax(-1), i.to(torch.int8)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_integers_are_exact(dtype):
    problem = make_problem(integers_and_masks, lambda g: torch.randint(0, 200, X, generator=g).to(dtype))
    call = problem.make_inputs(WORKLOAD, 4)
    assert_as_good_as_torch(problem, call, as_tuple(bind(generate(problem, WORKLOAD))(*call.args.values())))


def everything_special(x):
    return (
        torch.exp(x), torch.log(x), torch.tanh(x), torch.sigmoid(x), torch.erf(x), torch.log1p(x), torch.expm1(x),
        F.relu(x), torch.round(x), x.clamp(-1, 1), x.amax(-1), x.sum(-1), F.softmax(x, -1), torch.sign(x), F.silu(x),
    )  # fmt: skip


def test_nan_and_infinities_are_kept():
    rows = torch.tensor(
        [[1.0, -2, 3, 0.5], [float("nan"), 1, 2, -1], [float("inf"), 1, 2, 3], [float("-inf"), 1, -0.0, 0]]
    )
    extreme = torch.tensor([[88.8, -88, -103, 1e-40], [1e36, -1e36, 1e-45, 89]])
    problem = make_problem(everything_special, lambda g: torch.cat([rows, extreme]).repeat(1, 9))
    call = problem.make_inputs(WORKLOAD, 0)
    got = bind(generate(problem, WORKLOAD))(*call.args.values())
    for ours, theirs in zip(got, problem.run(call)):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert torch.equal(ours == float("inf"), theirs == float("inf"))
        assert torch.equal(ours == float("-inf"), theirs == float("-inf"))


def test_gelu_at_infinity_is_that_of_float64():
    problem = make_problem(
        lambda x: F.gelu(x), lambda g: torch.tensor([[float("inf"), -float("inf"), float("nan"), 2.0]])
    )
    x = problem.make_inputs(WORKLOAD, 0).args["x"]
    ours, exact = bind(generate(problem, WORKLOAD))(x), F.gelu(x.double())
    assert torch.equal(ours.isnan(), exact.isnan())
    assert torch.equal(ours.isinf(), exact.isinf())


FUNCTION_RANGES = {
    torch.exp: (-100, 88), torch.exp2: (-140, 127), torch.expm1: (-20, 80), torch.log: (1e-30, 1e30),
    torch.log1p: (-0.999, 50), torch.tanh: (-10, 10), torch.sigmoid: (-80, 80), torch.erf: (-4, 4),
}  # fmt: skip


@pytest.mark.parametrize("fn", FUNCTION_RANGES, ids=lambda fn: fn.__name__)
def test_special_functions_are_within_two_units_in_the_last_place(fn):
    low, high = FUNCTION_RANGES[fn]
    count = 40000

    def grid(_):
        wide = torch.linspace(low, high, count // 2, dtype=torch.float64)
        near = torch.logspace(-30, 0, count // 2, dtype=torch.float64) * (high if low > 0 else min(1.0, high))
        return torch.cat([wide, near]).float().clamp(low, high).view(100, -1)

    def apply(x):
        return fn(x)

    problem = make_problem(apply, grid)
    call = problem.make_inputs(WORKLOAD, 0)
    got = bind(generate(problem, WORKLOAD))(*call.args.values()).double()
    exact = fn(call.args["x"].double())
    unit = torch.nextafter(exact.float().abs(), torch.tensor(float("inf"))).double() - exact.float().abs().double()
    assert ((got - exact).abs() / unit).max().item() <= 2


@pytest.mark.parametrize(
    ("fn", "specs"), [(rms_norm_residual, (X, X, (COLUMNS,))), (masked_softmax, CASES["masked_softmax"][1:])]
)
def test_every_setting_gives_the_right_result(fn, specs):
    problem = make_problem(fn, *specs)
    candidate = generate(problem, WORKLOAD)
    call = problem.make_inputs(WORKLOAD, 5)
    space = candidate.space
    everything = [
        dict(zip([p.name for p in space.parameters], v))
        for v in itertools.product(*(p.values for p in space.parameters))
    ]
    assert candidate.params in everything
    assert len(everything) == space.size
    for params in random.Random(0).sample([p for p in everything if space.allows(p)], 8):
        entry = bind(candidate.with_params(params))
        assert_as_good_as_torch(problem, call, as_tuple(entry(*call.args.values())))


def test_large_outputs_with_streaming_stores_and_huge_pages():
    problem = make_problem(rms_norm_residual, (520, 2049), (520, 2049), (2049,))
    candidate = generate(problem, WORKLOAD).with_params({"STREAM": 1, "HUGE_PAGES": 1, "CHUNK": 4})
    call = problem.make_inputs(WORKLOAD, 6)
    assert_as_good_as_torch(problem, call, bind(candidate)(*call.args.values()))


def test_strided_inputs_and_another_number_of_rows():
    problem = make_problem(softmax, X)
    entry = bind(generate(problem, WORKLOAD))
    for x in (torch.randn(COLUMNS, 5).t(), torch.randn(4, 2 * COLUMNS)[:, ::2], torch.randn(0, COLUMNS)):
        before = x.clone()
        assert_as_good_as_torch(problem, Inputs(args={"x": x}), (entry(x),))
        assert torch.equal(x, before)


def test_runs_are_bitwise_repeatable():
    problem = make_problem(divergence, X, X)
    call = problem.make_inputs(WORKLOAD, 7)
    entry = bind(generate(problem, WORKLOAD))
    first = entry(*call.args.values())
    assert all(torch.equal(first, entry(*call.args.values())) for _ in range(5))


def test_wrong_arguments_are_named():
    entry = bind(generate(make_problem(softmax, X), WORKLOAD))
    with pytest.raises(ValueError, match=r"x: this kernel was made for torch.float32 \[7, 301\].*float64"):
        entry(torch.zeros(X, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"x: .*got torch.float32 \[7, 300\]"):
        entry(torch.zeros(ROWS, 300))
    with pytest.raises(TypeError, match="x must be a tensor, got list"):
        entry([1.0])


REFUSED = {
    "a matrix product": lambda x: F.softmax(x @ x.t(), -1),
    "a scan": lambda x: x.cumsum(-1),
    "a reduction that is not along the rows": lambda x: x / x.mean(0),
    "a random step": lambda x: F.dropout(x, 0.1, training=True),
    "a selection": lambda x: x.topk(3, -1).values,
    "writes into its input": lambda x: x.mul_(2),
    "a convolution": lambda x: F.conv1d(x[None], x.new_ones(7, 7, 1)),
    "float64": lambda x: F.softmax(x, -1, dtype=torch.float64),
    "returns a dict": lambda x: {"y": x},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_not_row_wise_is_refused_with_a_reason(reason):
    with pytest.raises(NotRowwise, match=reason):
        generate(make_problem(REFUSED[reason], X), WORKLOAD)


MODEL = '''
"""A problem as a user writes it."""
import torch
from torch import nn

HIDDEN = 96


class Scale(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("slope", torch.arange(size).float(), persistent=False)


class Model(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.scale = Scale(size)
        self.eps = eps

    def forward(self, x, unused=None):
        mean_square = x.pow(2).mean(-1, keepdim=True)
        return x * torch.rsqrt(mean_square + self.eps) * self.scale.weight + self.scale.shift * self.scale.slope


def get_inputs():
    return [torch.randn(11, HIDDEN)]
'''


def test_module_file_runs_without_the_package(tmp_path):
    names: dict = {}
    exec(MODEL, names)
    model = names["Model"]

    def inputs(workload, generator):
        state = {n: torch.randn(96, generator=generator) for n in ("scale.weight", "scale.shift")}
        return Inputs(args={"x": torch.randn(11, 96, generator=generator)}, state=state, init=(96, 1e-5))

    problem = Problem(name="scaled", kind="module", source=MODEL, reference=model, inputs=inputs)
    candidate = generate(problem, WORKLOAD)
    assert (candidate.entry, candidate.language, candidate.origin) == ("ModelNew", "cpp", "rowwise")
    call = problem.make_inputs(WORKLOAD, 8)
    new = bind(candidate)(*call.init)
    new.load_state_dict(call.state)
    assert_as_good_as_torch(problem, call, (new(call.args["x"]),))
    file = tmp_path / "best.py"
    file.write_text(
        "from __future__ import annotations\nimport sys\nsys.modules['tilewright'] = None\n"
        + (
            candidate.source.replace("from __future__ import annotations\n", "")
            + "\nmodel, x = ModelNew(96, 1e-5), torch.ones(3, 96)"
            + "\nprint(torch.equal(model(x), torch.ones(3, 96) / (1 + 1e-5) ** 0.5))\n"
        )
    )
    done = subprocess.run([sys.executable, "-I", str(file)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"
