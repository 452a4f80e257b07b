"""The Triton that generated kernels stand on: loads, reductions, and special functions, as text.

What the interpreter cannot do (device libraries, fused steps, reductions by a function of ours) has a branch of its own
there, which computes the same within rounding. The polynomials are those of the C++ kernels (mathlib); all functions
keep within 1 to 3 units in the last place of float32. `SHORT` ones are for kernels all of whose tensors are narrower,
where the hardware's approximations do.
"""

from __future__ import annotations

_JIT = "@triton.jit\ndef "

# name -> (names it needs, text without the decorator)
FUNCTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "get": ((), '''_get(place, inside, POLICY: tl.constexpr):
    """Read where `inside`, everywhere when it is None."""
    if inside is None:
        value = tl.load(place, eviction_policy=POLICY)
    else:
        value = tl.load(place, mask=inside, other=0, eviction_policy=POLICY)
    return value'''),
    "put": ((), '''_put(place, value, inside, POLICY: tl.constexpr):
    if inside is None:
        tl.store(place, value, eviction_policy=POLICY)
    else:
        tl.store(place, value, mask=inside, eviction_policy=POLICY)'''),
    "both": ((), '''_both(a, b):
    """Where both masks hold; None stands for everywhere."""
    if a is None:
        both = b
    elif b is None:
        both = a
    else:
        both = a & b
    return both'''),
    "only": ((), '''_only(inside, value, neutral):
    if inside is None:
        kept = value
    else:
        kept = tl.where(inside, value, neutral)
    return kept'''),
    "max": ((), '''_max(a, b):
    """The larger; a NaN wins, as in torch."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)'''),
    "min": ((), '''_min(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)'''),
    "mul": ((), '''_mul(a, b):
    return a * b'''),
    "row_sum": ((), '''_row_sum(x):
    return tl.sum(x, axis=2, keep_dims=True)'''),
    "row_prod": (("mul",), '''_row_prod(x):
    return tl.reduce(x, 2, _mul, keep_dims=True)'''),
    "row_max": (("max",), '''_row_max(x):
    """The largest of each row, NaN where there is one: tl.max drops it, and the interpreter is slow with tl.reduce."""
    if x.dtype.is_floating() and not INTERPRETED:
        largest = tl.reduce(x, 2, _max, keep_dims=True)
    else:
        largest = tl.max(x, axis=2, keep_dims=True)
        if x.dtype.is_floating():
            spoilt = tl.max((x != x).to(tl.int32), axis=2, keep_dims=True)
            largest = tl.where(spoilt != 0, float("nan"), largest)
    return largest'''),
    "row_min": (("row_max",), '''_row_min(x):
    if x.dtype.is_floating():
        return -_row_max(-x)
    else:
        return tl.min(x, axis=2, keep_dims=True)'''),
    "row_any": ((), '''_row_any(x):
    return tl.max(x.to(tl.int32), axis=2, keep_dims=True) != 0'''),
    "row_all": ((), '''_row_all(x):
    return tl.min(x.to(tl.int32), axis=2, keep_dims=True) != 0'''),
    "online": (("max", "exp"), '''_online(top, total, x):
    """Take x into the maximum so far and the sum of exp(x - maximum) so far, lane by lane."""
    less = _exp(-tl.abs(tl.where(x == top, 0.0, x - top)))
    total = tl.where(x > top, total * less + 1.0, total + less)
    return _max(top, x), total'''),
    "online_sum": (("exp", "row_sum"), '''_online_sum(top, total, largest, ZERO: tl.constexpr):
    """Bring the lanes' sums to the row's maximum and add them; ZERO: an infinite maximum counts as 0."""
    total = _row_sum(total * _exp(top - largest))
    other = _exp(largest) if ZERO else largest - largest
    return tl.where(tl.abs(largest) < float("inf"), total, other)'''),
    "over": ((), '''_over(x, d):
    """x / d, rounded correctly, for a d that many x are divided by: its reciprocal, and one step that mends the rest.

    After Markstein (1990); what has no rest (infinities, zeros) is right before that step."""
    if INTERPRETED:
        q = tl.div_rn(x, d)
    else:
        one_over = tl.div_rn(1.0, d)
        first = x * one_over
        q = tl.fma(tl.fma(-first, d, x), one_over, first)
        q = tl.where(q == q, q, first)
    return q'''),
    "sqrt": ((), "_sqrt(x):\n    return tl.sqrt_rn(x)"),
    "rsqrt": ((), "_rsqrt(x):\n    return tl.div_rn(1.0, tl.sqrt_rn(x))"),
    "trunc": ((), "_trunc(x):\n    return tl.where(x < 0, tl.ceil(x), tl.floor(x))"),
    "bits": ((), "_bits(x):\n    return x.to(tl.int32, bitcast=True)"),
    "number": ((), "_number(x):\n    return x.to(tl.float32, bitcast=True)"),
    "with_sign": (("bits", "number"), '''_with_sign(a, x):
    """The magnitude `a` (not negative) with the sign of x."""
    return _number(_bits(a) | (_bits(x) & -2147483648))'''),
    "rint": (("with_sign",), '''_rint(x):
    """To the nearest whole number, ties to even: adding 2^23 leaves no bits behind the point."""
    a = tl.abs(x)
    return _with_sign(tl.where(a < 8388608.0, (a + 8388608.0) - 8388608.0, a), x)'''),
    "sign": ((), '''_sign(x):
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)'''),
    "exp_tail": ((), '''_exp_tail(r):
    """exp(r) - 1 - r for |r| <= ln 2 / 2."""
    q = r * 0.00019944266 + 0.0013932686
    q = q * r + 0.008333208
    q = q * r + 0.04166649
    q = q * r + 0.16666667
    q = q * r + 0.5
    return q * (r * r)'''),
    "exp": ((), '''_exp(x):
    """Within 1 unit in the last place, where tl.exp loses a bit for every doubling of x."""
    return tl.exp(x) if INTERPRETED else libdevice.exp(x)'''),
    "exp2": (("max", "min", "bits", "number"), '''_exp2(x):
    c = _min(_max(x, -151.0), 129.0)
    t = c + 12582912.0
    k = _bits(t) - 1262485504
    half = k >> 1
    return tl.exp2(c - (t - 12582912.0)) * _number((half + 127) << 23) * _number((k - half + 127) << 23)'''),
    "expm1": (("max", "min", "bits", "number", "exp_tail"), '''_expm1(x):
    c = _min(_max(x, -18.0), 89.0)
    t = c * 1.4426950408889634 + 12582912.0
    n = t - 12582912.0
    r = (c - n * 0.693145751953125) - n * 1.428606765330187e-06
    m = r + _exp_tail(r)
    s = _number((_bits(t) - 1262485504 + 126) << 23)
    return tl.where(tl.abs(x) < 5.9604645e-08, x, (s * m + (s - 0.5)) * 2.0)'''),
    "log": (("bits", "number"), '''_log(x):
    """In the interpreter x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), and a polynomial in f."""
    if INTERPRETED:
        tiny = x < 1.1754943508222875e-38
        b = _bits(tl.where(tiny, x * 16777216.0, x)) - 1060439283
        e = (b >> 23).to(tl.float32) - tl.where(tiny, 24.0, 0.0)
        f = _number((b & 8388607) + 1060439283) - 1.0
        ff = f * f
        q = f * 0.06750956 - 0.11671449
        q = q * f + 0.11883568
        q = q * f - 0.12406032
        q = q * f + 0.14220327
        q = q * f - 0.16667996
        q = q * f + 0.20002073
        q = q * f - 0.2500001
        q = q * f + 0.33333313
        y = q * f * ff + e * 1.428606765330187e-06
        y = e * 0.693145751953125 + (f + (y - 0.5 * ff))
        y = tl.where(x == float("inf"), x, y)
        y = tl.where(x == 0.0, -float("inf"), y)
        y = tl.where((x < 0.0) | (x != x), float("nan"), y)
    else:
        y = libdevice.log(x)
    return y'''),
    "log_1plus": (("log",), "_log_1plus(x):\n    return _log(1.0 + x)"),
    "log2": (("log",), "_log2(x):\n    return _log(x) * 1.4426950408889634"),
    "log10": (("log",), "_log10(x):\n    return _log(x) * 0.4342944819032518"),
    "log1p": (("log",), '''_log1p(x):
    if INTERPRETED:
        u = 1.0 + x
        lost = (x - (u - 1.0)) / u  # what rounding 1 + x took away
        y = _log(u) + tl.where(tl.abs(lost) < 1.0, lost, 0.0)
    else:
        y = libdevice.log1p(x)
    return y'''),
    "sigmoid": (("exp",), '''_sigmoid(x):
    """Through exp(-|x|), which cannot overflow and which other functions of x need too."""
    e = _exp(-tl.abs(x))
    return tl.where(x < 0, e, 1.0) / (1.0 + e)'''),
    "tanh": (("expm1", "min", "with_sign"), '''_tanh(x):
    t = _expm1(2.0 * _min(tl.abs(x), 10.0))
    return _with_sign(t / (t + 2.0), x)'''),
    "gelu_erf": ((), "_gelu_erf(x):\n    return x * 0.5 * (1.0 + tl.erf(x * 0.7071067811865476))"),
    "gelu_tanh": (("tanh",), '''_gelu_tanh(x):
    return x * 0.5 * (1.0 + _tanh((x + x * x * x * 0.044715) * 0.7978845608028654))'''),
    # functions too rare for a polynomial of our own: in double, rounded once
    "wide": ((), "_wide(x):\n    return x.to(tl.float64)"),
    "erfc": (("wide",), "_erfc(x):\n    return (1.0 - tl.erf(_wide(x))).to(tl.float32)"),
    "sin": (("wide",), "_sin(x):\n    return tl.sin(_wide(x)).to(tl.float32)"),
    "cos": (("wide",), "_cos(x):\n    return tl.cos(_wide(x)).to(tl.float32)"),
    "tan": (("wide",), "_tan(x):\n    return (tl.sin(_wide(x)) / tl.cos(_wide(x))).to(tl.float32)"),
    "sinh": (("wide", "expm1"), '''_sinh(x):
    near = (_expm1(x) - _expm1(-x)) * 0.5
    far = ((tl.exp(_wide(x)) - tl.exp(-_wide(x))) * 0.5).to(tl.float32)
    return tl.where(tl.abs(x) < 1.0, near, far)'''),
    "cosh": (("wide",), "_cosh(x):\n    return ((tl.exp(_wide(x)) + tl.exp(-_wide(x))) * 0.5).to(tl.float32)"),
    "pow": (("wide",), '''_pow(x, y):
    y = tl.where(x == x, y, y)  # a tile too
    whole = y == tl.floor(y)
    odd = whole & (tl.abs(y) < 16777216.0) & (tl.floor(y * 0.5) * 2.0 != y)
    size = tl.exp(_wide(y) * tl.log(tl.abs(_wide(x)))).to(tl.float32)
    power = tl.where(x < 0, tl.where(whole, tl.where(odd, -size, size), float("nan")), size)
    return tl.where((y == 0.0) | (x == 1.0), 1.0, tl.where((x != x) | (y != y), float("nan"), power))'''),
    "fmod": (("wide", "trunc"), '''_fmod(x, y):
    rest = (_wide(x) - _trunc(_wide(x) / _wide(y)) * _wide(y)).to(tl.float32)
    return tl.where((tl.abs(y) == float("inf")) & (tl.abs(x) < float("inf")), x, rest)'''),
    "remainder": (("fmod",), '''_remainder(x, y):
    rest = _fmod(x, y)
    return tl.where((rest != 0.0) & ((rest < 0.0) != (y < 0.0)), rest + y, rest)'''),
}  # fmt: skip
SHORT: dict[str, tuple[tuple[str, ...], str]] = {
    "exp": ((), "_exp(x):\n    return tl.exp(x)"),
    "rsqrt": ((), "_rsqrt(x):\n    return tl.rsqrt(x)"),
    "sqrt": ((), "_sqrt(x):\n    return tl.sqrt(x)"),
}


def functions_text(names: set[str], exact: bool) -> str:
    """The text of the functions in `names` and of what they need, each once, in order of need."""
    table = FUNCTIONS if exact else {**FUNCTIONS, **SHORT}
    done: list[str] = []
    texts: list[str] = []

    def want(name: str) -> None:
        if name in done:
            return
        done.append(name)
        needs, text = table[name]
        for need in needs:
            want(need)
        texts.append(_JIT + text)

    for name in sorted(names):
        want(name)
    return "\n\n\n".join(texts)
