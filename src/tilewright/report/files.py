"""A picture as files: SVG, and beside it PNG where the optional package `resvg_py` is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

_TEXT = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><text x="2" y="16">{}</text></svg>'


def write(folder: Path, name: str, text: str) -> list[Path]:
    """Write the picture `text`, an SVG file, into `folder` as `name`.svg, and as `name`.png where that can be; return
    the files. What is there already as it should be is not made again."""
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    to_png, _ = _rasteriser()
    known = svg.exists() and svg.read_text(encoding="utf-8") == text
    svg.write_text(text, encoding="utf-8")
    if to_png is None:
        png.unlink(missing_ok=True)  # of another picture
        return [svg]
    if not (known and png.exists()):
        png.write_bytes(to_png(text))
    return [svg, png]


def why_no_png() -> str:
    """The one line that says why pictures are SVG only; empty where they are PNG too."""
    return _rasteriser()[1]


@cache
def _rasteriser() -> tuple[Callable[[str], bytes] | None, str]:
    """What makes PNG of SVG, or why there is nothing."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        return None, "pictures are SVG only; for PNG files too: pip install 'tilewright[png]'"

    def to_png(text: str) -> bytes:
        return bytes(svg_to_bytes(svg_string=text))

    if to_png(_TEXT.format("x")) == to_png(_TEXT.format("")):
        return None, "pictures are SVG only: this machine has no fonts to draw PNG files with"
    return to_png, ""
