"""What the page shows, as plain data: no record, no store, no torch. Missing values are None and show as a dash.

All times are seconds, all rates per second, all fractions 1.0 at the bound (and above it where a kernel beats it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class RowView:
    """One implementation on one workload: its verdict, its time with the 95 % interval, and the distances.

    `speedup` maps a baseline's name to (its time / this time); `samples_s` are the raw samples, if they were kept.
    `warm_s`, `eager_s` and `energy_j` are what results.BenchRow says they are.
    """

    name: str
    status: str = "PASSED"
    role: Literal["candidate", "baseline"] = "candidate"
    winner: bool = False
    median_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    fraction: float | None = None
    speedup: Mapping[str, float | None] = field(default_factory=dict)
    samples_s: tuple[float, ...] = ()
    origin: str = ""
    detail: str = ""
    warm_s: float | None = None
    eager_s: float | None = None
    energy_j: float | None = None

    @property
    def passed(self) -> bool:
        return self.status == "PASSED"


@dataclass(frozen=True)
class WorkloadView:
    """One workload and every implementation that was timed on it. `bytes_moved` and `flops` are the least work,
    `weight` the relative number of calls."""

    name: str
    rows: tuple[RowView, ...]
    shape: str = ""
    dtype: str = ""
    state: str = ""
    bound_s: float | None = None
    hard_s: float | None = None
    limiter: str = ""
    quality: str = ""
    derivation: str = ""
    bytes_moved: int | None = None
    flops: int | None = None
    op: str = ""
    weight: float = 1.0

    @property
    def baselines(self) -> tuple[str, ...]:
        """Names of the speed-up columns, in order of first appearance."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.speedup))

    @property
    def also(self) -> tuple[str, ...]:
        """The fields of rows that any of them has beside its time."""
        return tuple(field for field in ("warm_s", "eager_s", "energy_j") if any(getattr(r, field) for r in self.rows))

    @property
    def winner(self) -> RowView | None:
        return next((row for row in self.rows if row.winner), None)

    @property
    def timed(self) -> tuple[RowView, ...]:
        """Rows with a time, the fastest first."""
        return tuple(sorted((r for r in self.rows if r.median_s), key=lambda r: r.median_s or 0.0))


@dataclass(frozen=True)
class PointView:
    """One evaluation of the search: when it ended (seconds after the start), what came out, and its time if timed."""

    at_s: float
    status: str
    time_s: float | None = None
    name: str = ""
    origin: str = ""


@dataclass(frozen=True)
class RoofView:
    """Ceilings of the device: memory and last-level-cache bandwidth (bytes/s), matrix rate by dtype (flop/s)."""

    memory_bytes_per_s: float
    compute: Mapping[str, float]
    cache_bytes_per_s: float | None = None
    source: str = "measured on this machine"


@dataclass(frozen=True)
class TableView:
    """A table as it is shown: its heading, a note under it, the column heads and rows of words."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class CellView:
    """One cell of a map: its shade, 0 to 4 (3 and 4 are faults), and what it says in words."""

    shade: int
    text: str


@dataclass(frozen=True)
class MapView:
    """Where an output is wrong: rows of cells, and what they show."""

    caption: str
    rows: tuple[tuple[CellView, ...], ...]


@dataclass(frozen=True)
class FailureView:
    """Candidates that failed in the same way; `map` shows where the first of them is wrong, if it has places."""

    status: str
    detail: str
    names: tuple[str, ...]
    map: MapView | None = None


@dataclass(frozen=True)
class RunView:
    """One page. `status` is the verdict of the winner, or why there is none; `measured`, `environment` and `facts`
    are (what, value) lines: how it was measured, where, and what is known of the winning kernel. `notes` are what the
    run says of itself: what was declined, left out, or fell back; `stale` says what of it holds no longer."""

    title: str
    status: str
    workloads: tuple[WorkloadView, ...]
    kind: Literal["optimize", "bench"] = "optimize"
    run: str = ""
    created: str = ""
    device: str = ""
    summary: str = ""
    evaluations: int | None = None
    elapsed_s: float | None = None
    points: tuple[PointView, ...] = ()
    roof: RoofView | None = None
    source: str = ""
    source_name: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    measured: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    failures: tuple[FailureView, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[TableView, ...] = ()
    stale: tuple[str, ...] = ()
