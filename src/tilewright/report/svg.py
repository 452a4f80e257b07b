"""A few SVG primitives: scales with round ticks, escaped elements, and a picture as a file of its own.

Colours come from two style sheets: page.css names them, picture.css says which mark has which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup, escape


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return `<name ...>children</name>`; text is escaped, underscores in attribute names become hyphens."""
    parts = []
    for key, value in attributes.items():
        if value is None:
            continue
        text = f"{value:.1f}" if isinstance(value, float) else value
        parts.append(Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), text))
    inside = Markup("").join(escape(c) for c in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), Markup("").join(parts), inside)


def figure(width: int, height: int, label: str, marks: Iterable[Markup]) -> Markup:
    """Return an SVG that scales with its column; `label` is read out instead of the picture."""
    return tag("svg", *marks, viewBox=f"0 0 {width} {height}", role="img", aria_label=label)


def style(name: str) -> str:
    """Return the style sheet called `name`."""
    return files(__package__).joinpath(name).read_text()


def alone(picture: Markup | str, title: str) -> str:
    """Return `picture` as the text of an SVG file: its own light colours, written out for programs that know no CSS
    variables, and a title, on paper."""
    found = re.match(r'<svg viewBox="0 0 (\d+) (\d+)"([^>]*)>(.*)</svg>$', str(picture), re.DOTALL)
    assert found, "not a picture of figure()"
    width, height, marks = int(found[1]), int(found[2]), Markup(found[4])
    colours = dict(re.findall(r"(--[\w-]+): (#\w+)", style("page.css").split("@media")[0]))
    css = re.sub(r"var\((--[\w-]+)\)", lambda m: colours[m[1]], style("picture.css"))
    box = (-14, -34, width + 28, height + 44)
    paper = Markup('<rect class="paper" x="{}" y="{}" width="{}" height="{}"/>').format(*box)
    head = text(0, -14, title, "title")
    return str(
        Markup('<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}" viewBox="{} {} {} {}"{}>\n').format(
            2 * box[2], 2 * box[3], *box, Markup(found[3])
        )
        + Markup("<style>\n{}</style>\n{}{}{}\n</svg>\n").format(Markup(css), paper, head, marks)
    )


def text(x: float, y: float, words: str, cls: str = "", anchor: str = "start") -> Markup:
    return tag("text", words, x=float(x), y=float(y), class_=cls or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, cls: str) -> Markup:
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=cls)


def dot(x: float, y: float, radius: float, cls: str, title: str) -> Markup:
    return tag("circle", tag("title", title), cx=float(x), cy=float(y), r=float(radius), class_=cls)


def path(points: Sequence[tuple[float, float]], cls: str) -> Markup:
    return tag("path", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), class_=cls)


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` to pixels from `start` to `end`, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(max(value, 1e-300))
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        return log_ticks(self.low, self.high, about) if self.log else linear_ticks(self.low, self.high, about)


def linear_ticks(low: float, high: float, about: int) -> list[float]:
    """Return round values (1, 2 or 5 times a power of ten) within [low, high], about `about` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= 0.999 * raw)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, about: int) -> list[float]:
    """Return decades within [low, high], thinned to `about`; with 2s and 5s where there are less than two; linear ones
    where even those are not two."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps: tuple[int, ...] = (1,) if math.log10(high / low) > 2 else (1, 2, 5)
    found = [m * 10.0**d for d in decades for m in steps if low * 0.999 <= m * 10.0**d <= high * 1.001]
    if len(found) < 2:
        return linear_ticks(low, high, about)
    every = math.ceil(len(found) / (about + 2))
    return found[::every]


def axis_x(scale: Scale, top: float, bottom: float, show: Callable[[float], str], about: int = 5) -> list[Markup]:
    """Grid lines with labels below."""
    marks = []
    for tick in scale.ticks(about):
        x = scale(tick)
        marks += [line(x, top, x, bottom, "grid"), text(x, bottom + 15, show(tick), "tick", "middle")]
    return marks


def axis_y(scale: Scale, left: float, right: float, show: Callable[[float], str], about: int = 4) -> list[Markup]:
    """Grid lines with labels at the left."""
    marks = []
    for tick in scale.ticks(about):
        y = scale(tick)
        marks += [line(left, y, right, y, "grid"), text(left - 7, y + 3.5, show(tick), "tick", "end")]
    return marks


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions near `wanted`, in the same order, at least `gap` apart and within [low, high] if they fit."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = [0.0] * len(wanted)
    at = low
    for i in order:
        at = placed[i] = max(wanted[i], at)
        at += gap
    limit = high
    for i in reversed(order):
        limit = placed[i] = min(placed[i], limit)
        limit -= gap
    return placed
