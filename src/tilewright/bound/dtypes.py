"""Which formats can compute in place of another, for either bound."""

from __future__ import annotations

# Formats whose products can be assembled from a faster format, and the number of products it takes: tf32 counts as
# float32 work where the judge accepts it, three bfloat16 products give float32 accuracy, and 14 int8 products give
# float64 accuracy (Ozaki and others, scheme II).
STAND_INS = {
    "float32": (("tf32", 1), ("bfloat16", 3), ("float16", 3)),
    "float64": (("int8", 14), ("float32", 9)),
    "bfloat16": (("float16", 1),),
    "float16": (("bfloat16", 1),),
}
# Formats that hold every value of a narrower one, in which it is computed where that is faster.
_BYTE = ("bfloat16", "float16", "float32")
WIDER = {
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "tf32": ("float32",),
    "int8": _BYTE,
    "float8": _BYTE,
    "int4": ("int8", "float8", *_BYTE),
    "float4": ("float8", *_BYTE),
}


def family(dtype: str) -> str:
    """The name under which rates of `dtype` are kept: "float8" for "float8_e4m3fn"."""
    return next((f for f in ("float8", "float4") if dtype.startswith(f)), dtype)
