"""The C++ that generated kernels stand on: vector types, loads and stores, reductions, and special functions.

Vectors are those of g++ and clang (`vector_size`), so no header is needed and a build takes a fraction of a second.
The polynomials are minimax fits made for this file (Lawson's iteration, coefficients rounded to float one after the
other); every function keeps NaN, infinities and denormals as the C library does, without branches, within 1 to 2 ulp.
"""

from __future__ import annotations

from pathlib import Path

from .ir import TRANSCENDENTAL

BASE = Path(__file__).with_name("prelude.hpp").read_text()

# name -> (names it needs, text). Vector versions; row values use the C library in double.
FUNCTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "rint": ((), r"""
INLINE VF tw_rint(VF x) {  // adding 1.5 * 2^23 leaves no bits behind the point; larger numbers have none anyway
  VF a = tw_abs(x), r = (a + 0x1p23f) - 0x1p23f;
  return bits<VF>(bits<VI>(a < 0x1p23f ? r : a) | (bits<VI>(x) & (int)0x80000000));
}"""),
    "floor": (("rint",), "INLINE VF tw_floor(VF x) { VF r = tw_rint(x); return r > x ? r - 1.f : r; }"),
    "ceil": (("rint",), "INLINE VF tw_ceil(VF x) { VF r = tw_rint(x); return r < x ? r + 1.f : r; }"),
    "trunc": (("floor",), r"""
INLINE VF tw_trunc(VF x) { return bits<VF>(bits<VI>(tw_floor(tw_abs(x))) | (bits<VI>(x) & (int)0x80000000)); }"""),
    "sqrt": ((), "INLINE VF tw_sqrt(VF x) { return sqrt_of(x); }"),
    "rsqrt": ((), "INLINE VF tw_rsqrt(VF x) { return 1.f / sqrt_of(x); }"),
    "reciprocal": ((), "INLINE VF tw_reciprocal(VF x) { return 1.f / x; }"),
    "relu": ((), "INLINE VF tw_relu(VF x) { return x < 0.f ? F(0) : x; }\ntemplate <class V> INLINE V tw_relu(V x) "
             "{ return x < 0 ? V{} : x; }"),
    "sign": ((), "INLINE VF tw_sign(VF x) { return (x > 0.f ? F(1) : F(0)) - (x < 0.f ? F(1) : F(0)); }\n"
             "template <class V> INLINE V tw_sign(V x) { return (x < 0) - (x > 0); }"),
    "exp_parts": ((), r"""
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r^2 q(r).
INLINE VF reduce_exp(VF x, VF& n) {
  const VF shift = F(0x1.8p23f);
  n = (x * 0x1.715476p+0f + shift) - shift;
  return (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
}
INLINE VF exp_tail(VF r) {
  VF q = r * 0x1.a242f6p-13f + 0x1.6d3cacp-10f;
  q = q * r + 0x1.111004p-7f;
  q = q * r + 0x1.5554f6p-5f;
  q = q * r + 0x1.555556p-3f;
  q = q * r + 0x1p-1f;
  return q * (r * r);
}
INLINE VF power_of_two(VI n) { return bits<VF>((n + 127) << 23); }"""),
    "exp": (("exp_parts",), r"""
INLINE VF tw_exp(VF x) {
  x = x > 89.f ? F(89.f) : x;  // beyond these it is inf or 0; a NaN passes every comparison by
  x = x < -104.f ? F(-104.f) : x;
  VF n, r = reduce_exp(x, n), y = 1.f + (r + exp_tail(r));
  VI k = __builtin_convertvector(n, VI), half = k >> 1;  // two steps: 2^n alone may not be a float
  return y * power_of_two(half) * power_of_two(k - half);
}"""),
    "exp2": (("exp",), r"""
INLINE VF tw_exp2(VF x) {
  x = x > 129.f ? F(129.f) : x;
  x = x < -151.f ? F(-151.f) : x;
  const VF shift = F(0x1.8p23f), n = (x + shift) - shift, r = (x - n) * 0x1.62e43p-1f, y = 1.f + (r + exp_tail(r));
  VI k = __builtin_convertvector(n, VI), half = k >> 1;
  return y * power_of_two(half) * power_of_two(k - half);
}"""),
    "expm1": (("exp_parts",), r"""
INLINE VF tw_expm1(VF x) {
  VF c = x > 89.f ? F(89.f) : x;
  c = c < -18.f ? F(-18.f) : c;
  VF n, r = reduce_exp(c, n), m = r + exp_tail(r);
  VI k = __builtin_convertvector(n, VI);
  VF s = power_of_two(k - 1), y = (s * m + (s - 0.5f)) * 2.f;
  return tw_abs(x) < 0x1p-24f ? x : y;
}"""),
    "log": ((), r"""
INLINE VF tw_log(VF x) {
  const VI tiny = x < 0x1p-126f;
  const VF scaled = tiny ? x * 0x1p24f : x;
  VI b = bits<VI>(scaled) - 0x3f3504f3;  // the mantissa comes to [sqrt(1/2), sqrt(2))
  const VF e = __builtin_convertvector(b >> 23, VF) - (tiny ? F(24) : F(0));
  const VF f = bits<VF>((b & 0x7fffff) + 0x3f3504f3) - 1.f, ff = f * f;
  VF q = f * 0x1.1484e8p-4f - 0x1.de1004p-4f;
  q = q * f + 0x1.e6c03ep-4f;
  q = q * f - 0x1.fc26acp-4f;
  q = q * f + 0x1.233b78p-3f;
  q = q * f - 0x1.555c4ep-3f;
  q = q * f + 0x1.99a478p-3f;
  q = q * f - 0x1.000006p-2f;
  q = q * f + 0x1.555548p-2f;
  VF y = q * f * ff + e * 0x1.7f7d1cp-20f;
  y = e * 0x1.62e4p-1f + (f + (y - 0.5f * ff));
  y = x == __builtin_inff() ? x : y;
  y = x == 0.f ? F(-__builtin_inff()) : y;
  return (x < 0.f) | (x != x) ? F(__builtin_nanf("")) : y;
}"""),
    "log2": (("log",), "INLINE VF tw_log2(VF x) { return tw_log(x) * 0x1.715476p+0f; }"),
    "log10": (("log",), "INLINE VF tw_log10(VF x) { return tw_log(x) * 0x1.bcb7b2p-2f; }"),
    "log1p": (("log",), r"""
INLINE VF tw_log1p(VF x) {
  const VF u = 1.f + x, lost = (x - (u - 1.f)) / u;  // what rounding 1 + x took away
  return tw_log(u) + (tw_abs(lost) < 1.f ? lost : F(0));
}"""),
    "sigmoid": (("exp",), "INLINE VF tw_sigmoid(VF x) { return 1.f / (1.f + tw_exp(-x)); }"),
    "tanh": (("expm1",), r"""
INLINE VF tw_tanh(VF x) {
  const VF a = tw_abs(x), t = tw_expm1(2.f * (a > 10.f ? F(10.f) : a));
  return bits<VF>(bits<VI>(t / (t + 2.f)) | (bits<VI>(x) & (int)0x80000000));
}"""),
    "erf": (("exp",), r"""
INLINE VF tw_erf(VF x) {
  const VF a = tw_abs(x), s = x * x, t = a > 4.f ? F(4.f) : a;
  VF p = s * 0x1.4f578ap-14f - 0x1.a606f8p-11f;  // near 0: x + x p(x^2)
  p = p * s + 0x1.5449e6p-8f;
  p = p * s - 0x1.b80118p-6f;
  p = p * s + 0x1.ce2d64p-4f;
  p = p * s - 0x1.81274p-2f;
  p = p * s + 0x1.06eba8p-3f;
  VF g = t * 0x1.5d5be2p-16f - 0x1.c44c0cp-12f;  // beyond: 1 - exp(-g(|x|))
  g = g * t + 0x1.105f2ep-8f;
  g = g * t - 0x1.9aea1ep-6f;
  g = g * t + 0x1.bb44dap-4f;
  g = g * t + 0x1.444d26p-1f;
  g = g * t + 0x1.212626p+0f;
  g = g * t - 0x1.62d95p-13f;
  const VF far = bits<VF>(bits<VI>(1.f - tw_exp(-g)) | (bits<VI>(x) & (int)0x80000000));
  return a < 0.92f ? x + x * p : far;
}"""),
    "gelu_erf": (("erf",), "INLINE VF tw_gelu_erf(VF x) { return x * 0.5f * (1.f + tw_erf(x * 0x1.6a09e6p-1f)); }\n"
                 "INLINE double tw_gelu_erf(double x) { return 0.5 * x * __builtin_erfc(-x * 0x1.6a09e667f3bcdp-1); }"),
    "gelu_tanh": (("tanh",), r"""
template <class T> INLINE T tw_gelu_tanh(T x) {
  const T inner = (x + x * x * x * 0.044715f) * 0x1.988454p-1f;
  return x * 0.5f * (1.f + tw_tanh(inner));
}"""),
}  # fmt: skip

LIBRARY = (
    *("erfc", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("pow", "atan2", "remainder", "fmod"),
)
SCALAR = (*TRANSCENDENTAL, "sqrt", "pow", "atan2", "fmod", "rint", "floor", "ceil", "trunc")
TWO = ("pow", "atan2", "remainder", "fmod")
SCALAR_TEXT = {
    "rsqrt": "1 / __builtin_sqrt(x)", "reciprocal": "1 / x", "sigmoid": "1 / (1 + __builtin_exp(-x))",
    "relu": "x < 0 ? 0 : x", "sign": "(x > 0) - (x < 0)",
}  # fmt: skip


def library_text(name: str) -> str:
    """A vector function that asks the C library lane by lane: for functions too rare for a polynomial of our own."""
    if name == "remainder":
        return (
            "INLINE VF tw_remainder(VF x, VF y) { VF r; for (int l = 0; l < W; ++l) { float m = "
            "__builtin_fmodf(x[l], y[l]); r[l] = m != 0 && (m < 0) != (y[l] < 0) ? m + y[l] : m; } return r; }\n"
            "INLINE double tw_remainder(double x, double y) { double m = __builtin_fmod(x, y); "
            "return m != 0 && (m < 0) != (y < 0) ? m + y : m; }"
        )
    second, use = (", VF y", ", y[l]") if name in TWO else ("", "")
    return (
        f"INLINE VF tw_{name}(VF x{second}) {{ VF r; for (int l = 0; l < W; ++l) "
        f"r[l] = __builtin_{name}f(x[l]{use}); return r; }}"
    )


def scalar_text(name: str) -> str:
    """The version of a function for values per row, in double."""
    if name in SCALAR_TEXT:
        return f"INLINE double tw_{name}(double x) {{ return {SCALAR_TEXT[name]}; }}"
    if name in SCALAR:
        second, use = (", double y", ", y") if name in TWO else ("", "")
        return f"INLINE double tw_{name}(double x{second}) {{ return __builtin_{name}(x{use}); }}"
    return ""


def functions_text(names: set[str]) -> str:
    """The text of the functions in `names` and of what they need, each once, in order of need."""
    done: list[str] = []
    texts: list[str] = []

    def want(name: str) -> None:
        if name in done:
            return
        done.append(name)
        needs, text = FUNCTIONS.get(name, ((), ""))
        for need in needs:
            want(need)
        texts.append(text.strip() if text else library_text(name) if name in LIBRARY else "")
        texts.append(scalar_text(name))

    for name in sorted(names):
        if name in FUNCTIONS or name in LIBRARY:
            want(name)
    return "\n".join(t for t in texts if t)
