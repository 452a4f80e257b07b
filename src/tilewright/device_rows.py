"""Two device profiles side by side, a verdict for every ceiling; and one profile as files and pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .device import Device, Profile
from .device.nouns import BUSY_LOAD
from .formats import InputError
from .measure.nouns import LEVEL_RATIO
from .report import device_charts, files, svg
from .results import CeilingRow, ProfileComparison
from .scores import verdict_of

DEVICE_FILE = "device.json"
_CURVES = ("copy", "read", "write", "fresh_write", "cold_copy", "cold_read", "cold_write")
_TIMES = ("call_s", "host_call_s", "launch_s", "graph_launch_s", "graph_replay_s")


def store(machine: Device, folder: Path) -> list[Path]:
    """Write `machine` and its profile into `folder`, with a picture of every kind of ceiling; return the files."""
    assert machine.profile is not None
    pictures = {
        "bandwidth": device_charts.bandwidth(machine.profile, machine.cache_bytes),
        "matrix rate by dtype": device_charts.matrix(machine.profile, machine.peaks),
        "matrix rate over size": device_charts.matrix_sizes(machine.profile),
    }
    written = [folder / DEVICE_FILE]
    written[0].write_text(machine.to_json(indent=1) + "\n")
    for name, picture in pictures.items():
        if picture:
            written += files.write(folder, name.replace(" ", "-"), svg.alone(picture, f"{machine.name}: {name}"))
    return written


def stored_profile(path: str | Path) -> Profile:
    """Return the profile in `path`: a file or folder of `device --out`, output of `device --json`, or a profile from
    the cache."""
    file = Path(path) / DEVICE_FILE if Path(path).is_dir() else Path(path)
    try:
        data = json.loads(file.read_text())
        return Profile.model_validate(data.get("profile") or data)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, AttributeError, ValidationError):
        raise InputError(f"{file} holds no profile; make one with: tilewright device --calibrate --out DIR") from None


def compare(a: str | Path, b: str | Path) -> ProfileComparison:
    """Compare the profiles stored in `a` and `b`: is each ceiling of b faster, level or slower? Where one of them was
    measured beside other work, nobody can say."""
    first, second = stored_profile(a), stored_profile(b)
    left, right = ({name: (unit, rate) for name, unit, rate in _ceilings(p)} for p in (first, second))
    both = [name for name in left if name in right]
    busy = max(first.load, second.load) > BUSY_LOAD
    rows = [_row(n, left[n], right[n][1], _spread(first, second, n)) for n in both]
    return ProfileComparison(
        a=str(a),
        b=str(b),
        rows=tuple(row.with_(verdict="not comparable") if busy else row for row in rows),
        missing=(
            *(_missing(n, "b", second) for n in left if n not in right),
            *(_missing(n, "a", first) for n in right if n not in left),
        ),
        differs=_differing(first.fingerprint, second.fingerprint),
        notes=tuple(_notes(first, second)),
    )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {k: (str(a.get(k)), str(b.get(k))) for k in {**a, **b} if a.get(k) != b.get(k)}


def _ceilings(profile: Profile) -> Iterator[tuple[str, str, float]]:
    """(name, unit, rate) of every ceiling; a time counts as calls per second."""
    for name in _CURVES:  # at the size where it is highest, a cache, and at the largest, memory
        if curve := getattr(profile, name):
            yield f"{name.replace('_', ' ')}, highest", "B/s", max(rate for _, rate in curve)
            yield f"{name.replace('_', ' ')}, largest size", "B/s", curve[-1][1]
    groups = (("matrix", profile.matrix, "flop/s"), ("matrix sustained", profile.matrix_sustained, "flop/s"),
              ("atomics", profile.atomics, "op/s"), ("link", profile.links, "B/s"))  # fmt: skip
    for what, rates, unit in groups:
        for name, rate in rates.items():
            yield f"{what} {name}", unit, rate
    yield "exp", "op/s", profile.special_per_s
    for field in _TIMES:
        if time_s := getattr(profile, field):
            yield field.removesuffix("_s").replace("_", " "), "calls/s", 1 / time_s


def _spread(a: Profile, b: Profile, name: str) -> float | None:
    """By how much the ratio of the ceiling `name` may be off: the spreads of both, added; None where one has none."""
    key = name.removeprefix("cold ").split(",")[0]
    known = [p.spread[key] for p in (a, b) if key in p.spread]
    return sum(known) if len(known) == 2 else None


def _row(name: str, first: tuple[str, float], b: float, spread: float | None) -> CeilingRow:
    unit, a = first
    ratio = b / a
    if spread is None:
        return CeilingRow(name=name, unit=unit, a=a, b=b, ratio=ratio, verdict="unclear")
    low, high = ratio / (1 + spread), ratio * (1 + spread)
    return CeilingRow(
        name=name,
        unit=unit,
        a=a,
        b=b,
        ratio=ratio,
        ci_low=low,
        ci_high=high,
        verdict=verdict_of(1 / high, 1 / low, LEVEL_RATIO),
    )


def _missing(name: str, where: str, profile: Profile) -> str:
    reason = next((r for key, r in profile.missing.items() if key.startswith(name)), "")
    return f"{name}: not in {where}{f' ({reason})' if reason else ''}"


def _notes(a: Profile, b: Profile) -> Iterator[str]:
    for name, profile in (("a", a), ("b", b)):
        if profile.quick:
            yield f"{name} is a quick profile: calibrate thoroughly with tilewright device --calibrate"
        if profile.load > BUSY_LOAD:
            beside = f"{name} was measured beside other work (load {profile.load:.1f})"
            yield f"not comparable: {beside}, so its rates may be too low; calibrate on a quiet machine"
        if not profile.spread:
            yield f"{name} does not say how far its own takes differ, so nothing can be called faster: calibrate again"
