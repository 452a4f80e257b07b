"""Records -> one self-contained HTML page. Reads records, runs nothing.

`render(RunView)` makes the page of a run, `render_bench(rows)` that of a bench result.
"""

from __future__ import annotations

from .page import render, render_bench
from .view import FailureView, PointView, RoofView, RowView, RunView, WorkloadView

__all__ = [
    "FailureView",
    "PointView",
    "RoofView",
    "RowView",
    "RunView",
    "WorkloadView",
    "render",
    "render_bench",
]
