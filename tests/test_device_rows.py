"""Two device profiles side by side, and one of them as files and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tilewright import api, device_rows, show
from tilewright.device import Device, DeviceUnavailable, Profile
from tilewright.device.ceilings_cuda import _QUICK, _Bench
from tilewright.device.machine import peaks_of
from tilewright.formats import InputError

CURVE = ((1 << 20, 100e9), (1 << 24, 150e9), (1 << 28, 20e9))
SPREAD = {"copy": 0.005, "read": 0.03, "matrix float32": 0.01, "exp": 0.005, "call": 0.005}


def profile(**changes: Any) -> Profile:
    fields: dict[str, Any] = {
        "copy": CURVE, "read": CURVE, "write": CURVE, "matrix": {"float32": 200e9, "int8": 400e9}, "call_s": 1e-6,
        "special_per_s": 1e9, "fingerprint": {"kind": "cpu", "torch": "2.11"}, "created": "2026-11-20T13:00:00+00:00",
        "spread": SPREAD, "matrix_sizes": {"float32": ((256, 256, 256, 150e9), (512, 512, 512, 200e9))},
    }  # fmt: skip
    return Profile(**{**fields, **changes})


@pytest.fixture
def stored(tmp_path: Path) -> Any:
    def stored(name: str, **changes: Any) -> str:
        (tmp_path / name).write_text(profile(**changes).to_json())
        return str(tmp_path / name)

    return stored


def test_every_ceiling_has_a_verdict(stored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    faster = tuple((size, 1.2 * rate) for size, rate in CURVE)
    a = stored("a", missing={"atomics distinct": "no compiler"})
    b = stored("b", copy=faster, matrix={"float32": 150e9}, call_s=1.005e-6, missing={"matrix int8": "no kernel"},
               atomics={"distinct": 1e9}, fingerprint={"kind": "cpu", "torch": "2.12"}, quick=True)  # fmt: skip
    found = api.compare_devices(a, b)
    verdicts = {row.name: row.verdict for row in found.rows}
    assert verdicts == {
        "copy, highest": "faster", "copy, largest size": "faster",
        "read, highest": "unclear", "read, largest size": "unclear",  # its takes are 3 % apart
        "write, highest": "unclear", "write, largest size": "unclear",  # nothing is known of its takes
        "matrix float32": "slower", "exp": "level", "call": "level",
    }  # fmt: skip
    rows = {row.name: row for row in found.rows}
    assert rows["copy, highest"].ratio == pytest.approx(1.2)
    assert rows["copy, highest"].ci_low == pytest.approx(1.2 / 1.01)
    assert rows["call"].a == pytest.approx(1e6)
    assert found.differs == {"torch": ("2.11", "2.12")}
    assert set(found.missing) == {
        "matrix int8: not in b (no kernel)", "atomics distinct: not in a (no compiler)"
    }  # fmt: skip
    assert any("b is a quick profile" in note for note in found.notes)
    show.device_comparison(found)
    text = capsys.readouterr().out
    assert "not the same torch: 2.11 in a, 2.12 in b" in text
    assert "1.00 µs" in text and "180 GB/s" in text


def test_a_profile_of_before_there_was_a_spread_decides_nothing(stored: Any) -> None:
    found = device_rows.compare(stored("a", spread={}), stored("b", matrix={"float32": 1e9}))
    assert {row.verdict for row in found.rows} == {"unclear"}
    assert any("calibrate again" in note for note in found.notes)


def test_a_profile_of_a_busy_machine_is_not_compared(stored: Any) -> None:
    found = device_rows.compare(stored("a"), stored("b", matrix={"float32": 1e9}, load=0.6))
    assert {row.verdict for row in found.rows} == {"not comparable"}
    assert any("b was measured beside other work (load 0.6)" in note for note in found.notes)
    still = device_rows.compare(stored("a"), stored("b", matrix={"float32": 1e9}, load=0.5))
    assert {row.name: row.verdict for row in still.rows}["matrix float32"] == "slower"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"profile": null}', '{"profile": {"copy": []}}'])
def test_what_holds_no_profile_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="holds no profile; make one with"):
        device_rows.stored_profile(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot be read"):
        device_rows.stored_profile(tmp_path / "none.json")


def gpu(found: Profile) -> Device:
    return Device(
        kind="cuda", name="NVIDIA H200", arch="sm_90", cores=132, cache_bytes=60 << 20, memory_bytes=1 << 37,
        peaks=peaks_of("NVIDIA H200"), profile=found,
    )  # fmt: skip


def test_a_profile_is_kept_with_pictures_that_stand_alone(tmp_path: Path) -> None:
    found = profile(cold_copy=CURVE, cold_read=CURVE, cold_write=CURVE, matrix_sustained={"float32": 180e9})
    files = device_rows.store(gpu(found), tmp_path)
    assert device_rows.stored_profile(tmp_path) == found
    pictures = [f for f in files if f.suffix == ".svg"]
    assert len(pictures) == 3
    for file in pictures:
        text = file.read_text()
        root = ElementTree.fromstring(text)
        assert "var(" not in text and "NVIDIA H200" in text
        left, top, width, height = map(float, root.attrib["viewBox"].split())
        for mark in root.iter("{http://www.w3.org/2000/svg}circle"):
            assert left <= float(mark.attrib["cx"]) <= left + width
            assert top <= float(mark.attrib["cy"]) <= top + height


def test_a_machine_that_was_never_measured_has_nothing_to_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="never measured"):
        api.device("cpu", out=tmp_path / "out")


def bench() -> _Bench:
    """A calibration without the stream and the clock that only a GPU has."""
    made = object.__new__(_Bench)
    made.device, made.say, made.effort, made.missing = gpu(profile()), lambda _: None, _QUICK, {}
    return made


def test_a_ceiling_that_fails_is_missing_and_ends_nothing() -> None:
    def fails() -> float:
        raise NotImplementedError("no float8 on this part\nand more lines")

    made = bench()
    assert made._try("matrix float8", fails) is None
    assert made._try("matrix int8", lambda: 3.0) == 3.0
    assert made.missing == {"matrix float8": "no float8 on this part"}


def test_without_any_way_to_copy_there_is_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench()
    pool = type("Pool", (), {"numel": lambda self: 1 << 20, "__getitem__": lambda self, at: at})()
    monkeypatch.setattr(_Bench, "_timed", lambda self, calls: calls[0]())
    with pytest.raises(DeviceUnavailable, match="no way to copy 4096 bytes"):
        made._best_rate("copy", 4096, lambda view: [lambda: 1 // 0], pool, 2)
    assert made.missing == {"copy, way 0": "integer division or modulo by zero"}
