"""Light syntax colouring of Python, and of C++ or CUDA inside long string literals, as escaped HTML spans."""

from __future__ import annotations

import io
import keyword
import re
import token
import tokenize

from markupsafe import Markup, escape

_C = re.compile(
    r"(?P<com>//[^\n]*|/\*.*?\*/)|(?P<str>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+')"
    r"|(?P<pre>^[ \t]*\#(?:[^\n\\]|\\\n)*)|(?P<num>\b\d[\w.]*)|(?P<name>[A-Za-z_]\w*)",
    re.DOTALL | re.MULTILINE,
)
_C_WORDS = frozenset(
    """
    alignas auto bool break case char class const constexpr continue default delete do double else enum explicit extern
    false float for if inline int int64_t long namespace new nullptr operator private public return short signed size_t
    sizeof static static_cast struct switch template this true typename uint16_t uint32_t uint64_t union unsigned using
    void volatile while restrict __restrict__ __global__ __device__ __shared__ __host__
    """.split()  # noqa: SIM905  (sixty words in as many lines would be no clearer)
)
_MIDDLES = {getattr(token, name) for name in ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END") if hasattr(token, name)}


def python(source: str) -> Markup:
    """Return `source` with its keywords, literals, comments and defined names marked; as it is if it does not parse."""
    starts = [0]
    for text in source.split("\n"):
        starts.append(starts[-1] + len(text) + 1)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return escape(source)
    out, at, before = [], 0, ""
    for item in tokens:
        if item.type in (token.ENDMARKER, token.NEWLINE, token.NL, token.INDENT, token.DEDENT):
            continue
        start = starts[item.start[0] - 1] + item.start[1]
        end = starts[item.end[0] - 1] + item.end[1]
        out += [escape(source[at:start]), _python_token(item.type, source[start:end], before)]
        at, before = end, item.string
    return Markup("").join([*out, escape(source[at:])])


def _python_token(kind: int, text: str, before: str) -> Markup:
    if kind == token.STRING and text.count("\n") > 2 and "{" in text and ";" in text:
        return cpp(text)
    if kind == token.STRING or kind in _MIDDLES:
        return _span("s", text)
    if kind == token.COMMENT:
        return _span("c", text)
    if kind == token.NUMBER:
        return _span("n", text)
    if kind == token.NAME and (keyword.iskeyword(text)):
        return _span("k", text)
    return _span("d", text) if kind == token.NAME and before in ("def", "class") else escape(text)


def cpp(source: str) -> Markup:
    """Return C++ or CUDA `source` (quotes of a surrounding literal are kept as they are) with the same marks."""
    kinds = {"com": "c", "str": "s", "pre": "d", "num": "n"}
    out, at = [], 0
    for found in _C.finditer(source):
        text = found.group()
        kind = kinds.get(found.lastgroup or "", "k" if text in _C_WORDS else "")
        out += [escape(source[at : found.start()]), _span(kind, text) if kind else escape(text)]
        at = found.end()
    return Markup("").join([*out, escape(source[at:])])


def _span(kind: str, text: str) -> Markup:
    return Markup('<span class="{}">{}</span>').format(kind, text)
