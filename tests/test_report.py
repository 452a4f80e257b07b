"""The page: complete, self-contained, escaped, honest about missing and large values, and right in a real browser."""

from __future__ import annotations

import math
import os
import random
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulated import PROBLEM, Clock, Machine, kernel
from tilewright import bench_stored, units
from tilewright.candidate import Status
from tilewright.optimize import Settings, optimize
from tilewright.record import StoreError
from tilewright.report import (
    FailureView,
    PointView,
    RoofView,
    RowView,
    RunView,
    WorkloadView,
    charts,
    highlight,
    render,
)
from tilewright.report.from_bench import view_of as bench_view_of
from tilewright.report.roofline import roofline
from tilewright.report.svg import Scale, linear_ticks, log_ticks, spread
from tilewright.results import BenchResult, BenchRow

HOSTILE = '<script>alert("x")</script>&amp;\'"'
BOUND_S = 3.4e-3
BASELINES = {"eager": 18.2e-3, "torch.compile": 6.9e-3}
SOURCE = '''"""A kernel."""
import torch

SOURCE = r"""
#include <cmath>
// one row per iteration
extern "C" void kernel(const float* x, float* out, long rows) {
    for (long r = 0; r < rows; ++r) { out[r] = x[r] * 2.0f; }
}
"""


def forward(x: torch.Tensor) -> torch.Tensor:  # <b>
    return x * 2
'''


def row(name: str, time_s: float, **more: object) -> RowView:
    chance = random.Random(name)
    samples = tuple(time_s * (1 + abs(chance.gauss(0, 0.01))) for _ in range(120))
    speedup = {n: t / time_s for n, t in BASELINES.items()}
    fields = {"low_s": time_s * 0.99, "high_s": time_s * 1.01, "fraction": BOUND_S / time_s, "samples_s": samples}
    return RowView(name, median_s=time_s, speedup=speedup, **{**fields, **more})


def full_view(evaluations: int = 200) -> RunView:
    chance = random.Random(0)
    statuses = ["PASSED"] * 6 + ["INCORRECT_NUMERICAL", "COMPILE_ERROR", "INFRA_ERROR"]
    points = []
    for i in range(evaluations):
        status = chance.choice(statuses)
        time_s = 4e-3 * (1 + chance.random()) if status == "PASSED" else None
        points.append(PointView(0.4 * i, status, time_s, f"k{i}", "tpe"))
    rows = (
        row("eager", 18.2e-3, role="baseline"),
        row("torch.compile", 6.9e-3, role="baseline"),
        row("rowwise-best", 3.9e-3, winner=True, origin="rowwise"),
        row(HOSTILE, 4.4e-3, origin=HOSTILE),
        row("beats-the-bound", 2.0e-3),
        RowView("broken", status="INCORRECT_NUMERICAL", speedup={}),
    )
    workload = WorkloadView(
        "prefill",
        rows,
        "M 8192, N 4096",
        "float32",
        "warm",
        BOUND_S,
        None,
        "memory",
        "ok",
        "one line",
        268 << 20,
        1 << 27,
    )
    return RunView(
        title="rms_norm",
        status="PASSED",
        workloads=(workload,),
        run="run 1",
        summary=HOSTILE,
        evaluations=evaluations,
        elapsed_s=60.0,
        points=tuple(points),
        roof=RoofView(78e9, {"float32": 206e9}, 185e9),
        source=SOURCE,
        source_name=HOSTILE,
        facts=((HOSTILE, HOSTILE),),
        measured=(("seeds", "1, 2"), ("sandbox", HOSTILE)),
        environment=(("cpu", "A"), ("torch", "")),
        failures=(FailureView("COMPILE_ERROR", HOSTILE, (HOSTILE, "k2")),),
        notes=(HOSTILE,),
    )


class Page(HTMLParser):
    """Tags with their attributes, the text by tag, and whether tags close in order."""

    VOID = frozenset(("meta", "link", "br", "wbr", "img", "hr", "input"))

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_is_well_formed_and_complete() -> None:
    html = render(full_view())
    page = Page(html)
    assert page.open == []
    assert page.count("svg") == 4
    for word in ("rms_norm", "PASSED", "rowwise-best", "3.90 ms", "87 %", "4.67×", "1.77×", "Roofline", "Failures"):
        assert word in page.text
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        assert ElementTree.fromstring(svg).attrib["aria-label"]


def test_the_page_needs_nothing_from_outside() -> None:
    html = render(full_view())
    page = Page(html)
    assert len(html.encode()) < 2_000_000
    assert not re.search(r"https?:|//[a-z]|@import|url\(", html.replace("// one row", ""))
    assert {name for name, _ in page.tags}.isdisjoint({"script", "img", "iframe", "object", "embed", "base", "form"})
    assert [a.get("href") for name, a in page.tags if name == "link"] == ["data:,"]
    assert not any(key.startswith("on") or key == "src" for _, a in page.tags for key in a)


def test_a_page_of_a_long_run_stays_small() -> None:
    view = full_view(evaluations=5000)
    samples = tuple(1e-3 * (1 + i % 97 / 1000) for i in range(20_000))
    rows = tuple(replace(r, samples_s=samples) for r in view.workloads[0].rows)
    assert len(render(replace(view, workloads=(replace(view.workloads[0], rows=rows),))).encode()) < 2_000_000


def test_text_of_candidates_is_shown_and_never_run() -> None:
    html = render(full_view())
    assert "<script" not in html
    assert "alert(" in html
    assert Page(html).text.count(HOSTILE) >= 8


def test_more_than_the_bound_is_shown_as_it_is() -> None:
    page = Page(render(full_view()))
    assert "170 %" in page.text


def test_missing_values_are_dashes() -> None:
    bare = RowView("x", speedup={"eager": None})
    page = Page(render(RunView(title="t", status="UNFINISHED", workloads=(WorkloadView("w", (bare,)),))))
    cells = [w.strip() for w in page.words if w.strip() == units.MISSING]
    assert len(cells) == 4  # median, interval, fraction, speed-up
    assert page.count("svg") == 0


@pytest.mark.parametrize("workloads", [(), (WorkloadView("w", ()),)], ids=["no workload", "no rows"])
def test_a_run_without_results_has_a_page(workloads: tuple[WorkloadView, ...]) -> None:
    assert "UNFINISHED" in Page(render(RunView(title="t", status="UNFINISHED", workloads=workloads))).text


def test_samples_far_off_are_counted_in_words() -> None:
    slow = row("a", 1e-3, samples_s=(*[1e-3 * (1 + i / 1e4) for i in range(100)], 1.0))
    svg = str(charts.samples(WorkloadView("w", (slow,))))
    assert "1 slower" in svg


def test_every_evaluation_is_in_the_picture_of_the_search() -> None:
    view = full_view()
    svg = ElementTree.fromstring(str(charts.progress(view.points, view.workloads[0])))
    drawn = [e for e in svg.iter() if e.attrib.get("class", "").startswith(("dot try", "rug"))]
    assert len(drawn) == len(view.points)
    steps = next(e.attrib["d"] for e in svg.iter() if e.attrib.get("class") == "best")
    heights = [float(point.split()[1]) for point in steps[1:].split("L")]
    assert all(a <= b for a, b in pairwise(heights))  # the best so far only improves, and the axis points down


def test_marks_lie_inside_their_pictures() -> None:
    view = full_view()
    workload = view.workloads[0]
    for svg in (
        charts.times(workload),
        charts.samples(workload),
        roofline(view.workloads, view.roof),
        charts.progress(view.points, workload),
    ):
        root = ElementTree.fromstring(str(svg))
        width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
        for mark in root.iter("circle"):
            assert 0 <= float(mark.attrib["cx"]) <= width
            assert 0 <= float(mark.attrib["cy"]) <= height


RATES = st.floats(1e6, 1e15)


@given(RATES, RATES, RATES, st.integers(1, 1 << 40), st.integers(1, 1 << 50), st.floats(1e-7, 1e3))
def test_rooflines_stay_inside_their_picture(
    memory: float, cache: float, peak: float, moved: int, flops: int, time_s: float
) -> None:
    workload = WorkloadView("w", (row("k", time_s, winner=True),), bytes_moved=moved, flops=flops)
    root = ElementTree.fromstring(str(roofline((workload,), RoofView(memory, {"float32": peak}, cache))))
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    places = [tuple(map(float, p.split())) for e in root.iter("path") for p in e.attrib["d"][1:].split("L")]
    places += [(float(e.attrib[f"x{i}"]), float(e.attrib[f"y{i}"])) for e in root.iter("line") for i in (1, 2)]
    places += [(float(e.attrib["cx"]), float(e.attrib["cy"])) for e in root.iter("circle")]
    assert all(-0.1 <= x <= width + 0.1 and -0.1 <= y <= height + 0.1 for x, y in places)


def bench_row(impl: str, time_s: float | None, status: str = "PASSED", **more: object) -> BenchRow:
    about = {"op": "rms_norm", "workload": "w", "device": "cpu", "method": "blocks", "state": "cold", "bound_s": 2e-4}
    times = {"median_s": time_s, "ci_low_s": 0.99 * time_s, "ci_high_s": 1.01 * time_s} if time_s else {}
    more |= {"fraction_of_bound": 2e-4 / time_s, "speedup": {"eager": 8e-4 / time_s}} if time_s else {}
    return BenchRow(**{**about, **times, **more}, impl=impl, status=status, verified=status == "PASSED")


BENCH = BenchResult(
    rows=(
        bench_row("cpp", 1.6e-4),
        bench_row("slower", 5e-4),
        bench_row("eager", 8e-4, baseline=True),
        bench_row("broken", None, "INCORRECT_NUMERICAL", detail=HOSTILE),
        bench_row("eager", 4e-4, baseline=True, op="softmax"),
    ),
    environment={"device": "A CPU", "device_arch": "x86-64-v4", "memory_bytes": 1 << 30},
    notes=(HOSTILE,),
)


def test_a_bench_result_makes_a_page() -> None:
    html = render(bench_view_of(BENCH))
    page = Page(html)
    assert page.open == []
    assert page.count("svg") == 2
    winners = re.findall(r'<tr class="winner"><td title="([^"]*)"', html)
    assert [unescape(w) for w in winners] == ["cpp"]  # a baseline alone wins nothing
    for words in ("1 NOT VERIFIED", "rms_norm · w", "softmax · w", "125 %", "5.00", "cold inputs", "A CPU", "1.07 GB"):
        assert words in page.text, words
    assert "<script" not in html
    assert page.text.count(HOSTILE) == 2


def test_a_bench_result_without_rows_has_a_page() -> None:
    assert "VERIFIED" in Page(render(bench_view_of(BenchResult(rows=())))).text


def test_bench_leaves_the_page_beside_the_result(tmp_path: Path) -> None:
    bench_stored.store(BENCH, tmp_path)
    assert (tmp_path / "bench.html").read_text() == render(bench_view_of(BENCH))
    assert bench_stored.read(tmp_path) == BENCH


@pytest.mark.parametrize("source", [SOURCE, "def broken(:\n", "x = 'a' # b\x0cy\n", "", 's = """\nunclosed'])
def test_colouring_keeps_every_character(source: str) -> None:
    assert unescape(re.sub(r"</?span[^>]*>", "", str(highlight.python(source)))) == source
    assert unescape(re.sub(r"</?span[^>]*>", "", str(highlight.cpp(source)))) == source


def test_colouring_knows_the_kernel_inside_the_string() -> None:
    html = str(highlight.python(SOURCE))
    assert '<span class="k">for</span>' in html
    assert '<span class="c">// one row per iteration</span>' in html
    assert '<span class="d">forward</span>' in html


@given(st.text(max_size=200))
def test_colouring_survives_any_text(source: str) -> None:
    assert unescape(re.sub(r"</?span[^>]*>", "", str(highlight.cpp(source)))) == unescape(source)


@given(st.floats(1e-9, 1e9), st.floats(1.001, 1e6), st.integers(2, 8))
def test_ticks_are_round_and_inside(low: float, ratio: float, about: int) -> None:
    high = low * ratio
    for ticks in (linear_ticks(low, high, about), log_ticks(low, high, about)):
        assert len(ticks) <= 2 * about + 6
        assert all(low * 0.99 <= t <= high * 1.01 for t in ticks)
        assert sorted(set(ticks)) == ticks


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12))
def test_labels_that_fit_do_not_overlap(wanted: list[float]) -> None:
    placed = sorted(spread(wanted, 13, 0, 300))
    assert all(b - a >= 13 - 1e-6 for a, b in pairwise(placed))
    assert placed[-1] <= 300
    assert placed[0] >= -1e-6


@given(st.floats(1e-12, 1e12), st.booleans())
def test_scales_meet_their_ends(low: float, log: bool) -> None:
    scale = Scale(low, 3 * low, 10.0, 90.0, log)
    assert math.isclose(scale(low), 10.0, abs_tol=1e-6)
    assert math.isclose(scale(3 * low), 90.0, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (units.seconds(0.00123456), "1.23 ms"),
        (units.seconds(9.999e-4), "1.00 ms"),
        (units.seconds(None), units.MISSING),
        (units.seconds(math.nan), units.MISSING),
        (units.percent(1.704), "170 %"),
        (units.percent(0.0123), "1.2 %"),
        (units.times(4.667), "4.67×"),
        (units.byte_count(134_217_728), "134 MB"),
        (units.operations(1.5e9, "flop/s"), "1.50 Gflop/s"),
        (units.ticks(0.005), "5 ms"),
        (units.ticks(2e11, ""), "200 G"),
    ],
)
def test_numbers_as_people_read_them(text: str, wanted: str) -> None:
    assert text == wanted


def test_the_folder_of_a_run_makes_a_page_at_any_time(tmp_path: Path) -> None:
    clock = Clock()
    machine = Machine(clock, statuses={"bad": Status.INCORRECT_NUMERICAL})
    result = optimize(
        PROBLEM,
        out=tmp_path,
        budget_s=60.0,
        settings=Settings(seed=1, proposers=("user",)),
        user=[kernel(), kernel("bad")],
        make_runner=lambda *_: machine,
        clock=clock,
    )
    assert result.best is not None
    html = render(tmp_path)
    page = Page(html)
    assert page.open == []
    assert f'<tr class="winner"><td title="{result.best.candidate}' in html
    assert "as simulated" in page.text
    for baseline in result.baselines:
        assert baseline.name in page.text
        assert units.times(result.best.speedup[baseline.name]) in page.text
    assert result.best.source in unescape(re.sub(r"<[^>]*>", "", html))
    assert str(result.evaluations) in page.text


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run"):
        render(tmp_path)


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MEASURE = """<!doctype html><body><iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe>
<script>
onload = () => {{
  const inner = document.querySelector("iframe").contentDocument;
  const colour = (e) => getComputedStyle(e).backgroundColor;
  document.body.dataset.result = [inner.documentElement.scrollWidth, inner.querySelectorAll("svg").length,
    inner.querySelector("h1").getBoundingClientRect().height > 0, colour(inner.body)].join("|");
}};
</script>"""


def look(html: str, width: int, folder: Path, *options: str) -> tuple[list[str], str]:
    """Return [scroll width, svg count, heading visible, background] of `html` in a frame of `width`, and the log."""
    quoted = html.replace("&", "&amp;").replace('"', "&quot;")
    (folder / "frame.html").write_text(MEASURE.format(width=width, page=quoted))
    assert CHROMIUM is not None
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet, *options]
    command += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000"]
    command += ["--window-size=1600,1000", "--dump-dom", f"file://{folder / 'frame.html'}"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        dom, log = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    found = re.search(r'data-result="([^"]*)"', dom)
    assert found, f"the page was not laid out: {log[-2000:]}"
    return found.group(1).split("|"), log


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium or Chrome")
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("view", [full_view(), bench_view_of(BENCH)], ids=["run", "bench"])
def test_a_browser_lays_the_page_out_without_overflow_or_errors(view: RunView, width: int, tmp_path: Path) -> None:
    (scroll, pictures, visible, _), log = look(render(view), width, tmp_path)
    assert int(scroll) <= width
    assert int(pictures) == (4 if view.kind == "optimize" else 2)
    assert visible == "true"
    assert "CONSOLE" not in log


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium or Chrome")
def test_a_browser_that_prefers_dark_gets_dark(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    html = render(full_view())
    (*_, light), _ = look(html, 800, tmp_path / "a", "--blink-settings=preferredColorScheme=1")
    (*_, dark), _ = look(html, 800, tmp_path / "b", "--blink-settings=preferredColorScheme=0")

    def brightness(colour: str) -> float:
        return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3

    assert brightness(light) > 200
    assert brightness(dark) < 60


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two "#rrggbb" colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_accessible_contrast(theme: int) -> None:
    css = re.findall(r":root \{(.*?)\}", render(full_view()), re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css))
    for name in ("ink", "soft", "winner", "base", "bound", "good", "bad"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    for name in ("ink", "code-k", "code-s", "code-c", "code-n", "code-d"):
        assert contrast(colours[name], colours["raise"]) >= 4.5, name
