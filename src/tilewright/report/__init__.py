"""Records -> one self-contained HTML page. Reads records, runs nothing.

`render(view)` makes the page; `from_store.view_of(folder)` reads a run, `from_bench.view_of(result)` a bench result.
"""

from __future__ import annotations

from .page import render
from .view import FailureView, PointView, RoofView, RowView, RunView, WorkloadView

__all__ = [
    "FailureView",
    "PointView",
    "RoofView",
    "RowView",
    "RunView",
    "WorkloadView",
    "render",
]
