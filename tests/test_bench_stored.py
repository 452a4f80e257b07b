"""Results of `bench` on disk: scores over workloads, pictures, two of them compared, and what is stale."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tilewright import api, bench_rows, bench_scores, bench_stored, ops, show
from tilewright.device import detect, environment
from tilewright.formats import InputError
from tilewright.report import files
from tilewright.report import stale as stale_module
from tilewright.report.bench_pictures import pictures
from tilewright.report.from_bench import view_of
from tilewright.report.stale import stale
from tilewright.results import SKIPPED, BenchResult, BenchRow

HERE = {"device": "A CPU", "device_kind": "cpu", "device_arch": "x86-64-v4", "cpu": "A CPU", "cores": 8, "threads": 8,
        "torch": "2.11", "tilewright": "0.1.0", "precision": {"float32_matmul": "highest"}}  # fmt: skip


def row(impl: str, workload: str = "w", time_s: float | None = 1e-3, **more: Any) -> BenchRow:
    about = {"op": "o", "device": "cpu", "method": "blocks", "state": "cold", "bound_s": 5e-4, "verified": True}
    if time_s is None:
        about |= {"status": "INCORRECT_NUMERICAL", "verified": False}
        return BenchRow(**{**about, **more}, impl=impl, workload=workload)
    about |= {"median_s": time_s, "ci_low_s": 0.99 * time_s, "ci_high_s": 1.01 * time_s}
    return BenchRow(**{**about, "fraction_of_bound": 5e-4 / time_s, **more}, impl=impl, workload=workload)


def keep(folder: Path, *rows: BenchRow, **more: Any) -> str:
    folder.mkdir()
    bench_stored.store(BenchResult(rows=rows, **{"environment": HERE, **more}), folder)
    return str(folder)


def test_rows_of_one_environment_have_a_verdict_each(tmp_path: Path) -> None:
    a = keep(tmp_path / "a", row("up"), row("down"), row("same"), row("broke"), row("gone"))
    b = keep(tmp_path / "b", row("up", time_s=2e-3), row("down", time_s=5e-4), row("same", time_s=0.99e-3),
             row("broke", time_s=None))  # fmt: skip
    found = api.compare(a, b, tmp_path / "out")
    assert {r.impl: r.verdict for r in found.rows} == {"up": "slower", "down": "faster", "same": "level"}
    assert found.exit_code == 1
    assert set(found.missing) == {"o broke w cpu", "o gone w cpu"}
    assert found.notes == ("o broke w cpu has no time in b: INCORRECT_NUMERICAL",)
    picture = ElementTree.fromstring((tmp_path / "out" / "before-after.svg").read_text())
    kinds = [e.attrib["class"] for e in picture.iter("{http://www.w3.org/2000/svg}circle")]
    assert kinds == ["dot worse", "dot better", "dot other"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("torch", "2.12", "torch was 2.11 and is 2.12"),
        ("device", "B CPU", "device was A CPU and is B CPU"),
        ("threads", 4, "threads was 8 and is 4"),
        ("precision", {"float32_matmul": "high"}, "float32_matmul"),
        ("torch", None, "torch was 2.11 and is not recorded"),
    ],
)
def test_rows_of_other_environments_are_not_compared(
    field: str, value: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = keep(tmp_path / "a", row("x"))
    b = keep(tmp_path / "b", row("x", time_s=5e-4), environment={**HERE, field: value})
    found = api.compare(a, b)
    (only,) = found.rows
    assert only.verdict == "not comparable"
    assert said in only.why
    assert only.ratio == pytest.approx(0.5)  # it is said all the same
    assert found.exit_code == 1
    show.comparison(found)
    assert "not comparable" in capsys.readouterr().out


def test_what_decides_no_time_makes_nothing_incomparable(tmp_path: Path) -> None:
    a = keep(tmp_path / "a", row("x"))
    b = keep(tmp_path / "b", row("x"), environment={**HERE, "memory_bytes": 1, "kernel": "6.1", "numpy": "2"})
    assert api.compare(a, b).differs == {}
    gpu = {"device": "NVIDIA H200", "device_kind": "cuda", "driver": "580", "torch": "2.11", "cores": 8}
    c = keep(tmp_path / "c", row("x"), environment=gpu)
    d = keep(tmp_path / "d", row("x"), environment={**gpu, "cores": 64})
    e = keep(tmp_path / "e", row("x"), environment={**gpu, "driver": "590"})
    assert api.compare(c, d).differs == {}
    assert api.compare(c, e).differs == {"driver": ("580", "590")}


def test_a_cold_row_is_not_compared_with_a_warm_one(tmp_path: Path) -> None:
    a, b = keep(tmp_path / "a", row("x"), row("y")), keep(tmp_path / "b", row("x", state="warm"), row("y"))
    found = api.compare(a, b)
    assert [(r.verdict, r.why) for r in found.rows] == [
        ("not comparable", "state was cold and is warm"), ("unclear", "")
    ]  # fmt: skip
    assert found.exit_code == 0


@pytest.mark.parametrize("text", ["", "[]", '{"rows": 1}'])
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="is no result of: tilewright bench --out DIR"):
        bench_stored.read(tmp_path / "x.json")


def test_sources_that_changed_make_a_result_stale(tmp_path: Path) -> None:
    arch = HERE["device_arch"]
    now = {"softmax": ops.source_digest("softmax", str(arch))}
    assert list(stale(HERE, now)) == []
    assert list(stale(HERE, {"softmax": "0" * 16})) == ["the sources of softmax have changed since: measure it again"]
    assert list(stale(HERE, {"no_such_operator": "0"})) == ["no_such_operator is not in this version any more"]
    a = keep(tmp_path / "a", row("x"), source_digests={"softmax": "0" * 16})
    found = api.compare(a, keep(tmp_path / "b", row("x"), source_digests=now))
    assert found.notes == ("a is stale: the sources of softmax have changed since: measure it again",)
    assert found.rows[0].verdict == "unclear" or found.rows[0].verdict == "level"
    page = tmp_path / "page.html"
    api.report(a, page)
    assert "STALE" in page.read_text() and "softmax have changed" in page.read_text()


def test_versions_that_are_others_here_make_a_result_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment(detect("cpu"))
    assert list(stale(here, {})) == []
    assert list(stale({**here, "torch": "1.0"}, {})) == [f"torch was 1.0 and is {here['torch']} here"]
    assert list(stale({**here, "device": "Another", "torch": "1.0"}, {})) == []  # of a machine that is not here
    monkeypatch.setattr(stale_module, "_here", lambda kind: {})
    assert list(stale({**here, "torch": "1.0"}, {})) == []


ROWS = (
    row("cpp", "small", 1e-3, speedup={"eager": 2.0}, calls=3, bytes_moved=1 << 20, flops=1 << 20),
    row("eager", "small", 2e-3, speedup={"eager": 1.0}, calls=3, baseline=True, bytes_moved=1 << 20, flops=1 << 20),
    row("cpp", "middle", 1e-3, speedup={"eager": 8.0}, bytes_moved=1 << 22, flops=1 << 23),
    row("eager", "middle", 8e-3, speedup={"eager": 1.0}, baseline=True, bytes_moved=1 << 22, flops=1 << 23),
    row("cpp", "large", None, bytes_moved=1 << 24, flops=1 << 24),
    row("eager", "large", 4e-3, speedup={"eager": 1.0}, baseline=True, bytes_moved=1 << 24, flops=1 << 24,
        samples_s=(4e-3, 4.1e-3, 3.9e-3), ceilings={"memory": 1e10, "cache": 4e10, "float32": 1e11}),
    BenchRow(op="o", impl="liger", workload="small", device="cpu", status=SKIPPED, detail="not here", baseline=True),
)  # fmt: skip


def test_scores_keep_failures_in_the_denominator_and_weigh_by_calls() -> None:
    mine, eager = bench_scores.scored(ROWS)
    assert (mine.impl, mine.verified, mine.workloads, mine.call_share) == ("cpp", 2, 3, pytest.approx(0.8))
    assert mine.speedup == {"eager": pytest.approx((2.0**3 * 8.0) ** (1 / 4))}
    assert mine.fast_1 == {"eager": pytest.approx(2 / 3)}
    assert mine.fraction_of_bound == pytest.approx(0.5)
    assert mine.sol_baseline == "eager"
    small, middle = 1 / (1 + 0.5 / 1.5), 1 / (1 + 0.5 / 7.5)
    assert mine.sol_score == pytest.approx((3 * small + middle + 0.0) / 5)
    assert mine.notes == ()
    assert (eager.sol_score, eager.fast_1) == (pytest.approx(0.5), {"eager": 0.0})


def test_a_score_below_the_bound_is_explained() -> None:
    rows = (row("fast", time_s=4e-4, speedup={"eager": 4.0}), row("eager", time_s=1.6e-3, baseline=True))
    (fast, _) = bench_scores.scored(rows)
    assert fast.sol_score == 1.0
    assert fast.notes == ("w: faster than the bound, where the formula gives 1.1: counted as 1",)


def test_the_sol_score_takes_the_times_of_the_same_rounds() -> None:
    rows = (row("x", time_s=9e-4, speedup={"eager": 0.5}), row("eager", time_s=1e-3, baseline=True))
    assert bench_scores.scored(rows)[0].sol_score == pytest.approx(1 / (1 + (2e-3 - 5e-4) / (1e-3 - 5e-4)))


def test_scores_and_what_was_skipped_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show.bench(BenchResult(rows=ROWS, scores=bench_scores.scored(ROWS)))
    text = capsys.readouterr().out
    assert "SKIPPED for o: not here" in text
    assert "2 of 3" in text and "2.83×, 67 %" in text
    assert "liger" not in text


def test_a_skipped_baseline_is_no_failure() -> None:
    result = BenchResult(rows=(ROWS[0], ROWS[1], ROWS[6]))
    assert result.exit_code == 0
    view = view_of(result)
    assert view.status == "VERIFIED"
    assert view.notes == ("skipped: o: not here",)


def test_every_picture_stands_alone_with_its_marks_inside() -> None:
    drawn = pictures(view_of(BenchResult(rows=ROWS, environment=HERE, scores=bench_scores.scored(ROWS))))
    assert set(drawn) == {
        "roofline", "times-o-small", "times-o-middle", "times-o-large", "samples-o-large", "sizes-o"
    }  # fmt: skip
    for text in drawn.values():
        root = ElementTree.fromstring(text)
        assert "var(" not in text
        left, top, width, height = map(float, root.attrib["viewBox"].split())
        marks = list(root.iter("{http://www.w3.org/2000/svg}circle"))
        assert marks
        for mark in marks:
            assert left <= float(mark.attrib["cx"]) <= left + width
            assert top <= float(mark.attrib["cy"]) <= top + height


def test_the_page_says_which_kernels_ran() -> None:
    rows = [row("liger", w, kernels=tuple(f"_kernel_{i}" for i in range(n))) for w, n in (("a", 2), ("b", 6))]
    lines = dict(view_of(BenchResult(rows=(*rows, row("cpp")))).measured)
    assert lines["kernels of o liger"] == "_kernel_0, _kernel_1, _kernel_2, _kernel_3 and 2 more"
    assert "kernels of o cpp" not in lines


def test_what_was_measured_outlives_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def rows_of(problem: Any, workload: Any, *_: Any, **__: Any) -> list[BenchRow]:
        if seen:
            raise KeyboardInterrupt
        seen.append(workload.name)
        return [row("cpp", workload.name, op=problem.name)]

    monkeypatch.setattr(bench_rows, "rows_of", rows_of)
    monkeypatch.setattr(api, "_measured_device", lambda *_: detect("cpu"))
    with pytest.raises(KeyboardInterrupt):
        api.bench("softmax:cpp", "all", ("eager",), device="cpu", out=tmp_path)
    kept = bench_stored.read(tmp_path)
    assert [r.workload for r in kept.rows] == seen
    left = len(ops.get("softmax").workloads) - 1
    assert kept.notes == (f"unfinished: {left} of {left + 1} workloads are not measured",)
    assert kept.source_digests.keys() == {"softmax"}


def test_the_page_and_the_files_have_what_else_was_measured(tmp_path: Path) -> None:
    folder = keep(tmp_path / "a", row("cpp", warm_s=4e-4, eager_s=2e-3, energy_j=0.25), row("eager", time_s=2e-3))
    page = (tmp_path / "a" / "bench.html").read_text()
    assert all(f">{head}</th>" in page for head in ("warm, ms", "no graph, ms", "energy"))
    assert all(f">{cell}</td>" in page for cell in ("0.40", "2.00", "250 mJ"))
    (cpp, _) = bench_stored.read(folder).rows
    assert (cpp.warm_s, cpp.eager_s, cpp.energy_j) == (4e-4, 2e-3, 0.25)
    plain = keep(tmp_path / "b", row("cpp"))
    assert "no graph" not in Path(plain, "bench.html").read_text()


def test_pictures_are_png_files_too(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py")
    keep(tmp_path / "a", row("cpp"), row("eager", time_s=2e-3))
    (drawn,) = (tmp_path / "a").glob("*.svg")
    png, text = drawn.with_suffix(".png"), drawn.read_text()
    first = png.read_bytes()
    assert first.startswith(b"\x89PNG")
    png.write_bytes(b"kept")
    files.write(tmp_path / "a", drawn.stem, text)
    assert png.read_bytes() == b"kept"  # the same picture is drawn once
    files.write(tmp_path / "a", drawn.stem, text.replace("cpp", "CUDA"))
    assert png.read_bytes().startswith(b"\x89PNG") and png.read_bytes() != first


@pytest.mark.parametrize(("missing", "said"), [("package", "pip install 'tilewright[png]'"), ("fonts", "has no fonts")])
def test_why_there_are_no_png_files_is_said(
    missing: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = types.SimpleNamespace(svg_to_bytes=lambda svg_string: b"the same for all")
    monkeypatch.setitem(sys.modules, "resvg_py", None if missing == "package" else blank)
    files._rasteriser.cache_clear()
    try:
        keep(tmp_path / "a", row("cpp"))
        assert said in files.why_no_png()
        assert list((tmp_path / "a").glob("*.svg")) and not list((tmp_path / "a").glob("*.png"))
    finally:
        files._rasteriser.cache_clear()
