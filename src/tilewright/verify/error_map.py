"""Where an output is wrong: its error over rows and columns, in a few cells that fit a terminal and a JSON line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch

from ..candidate import Status
from .derivation import LARGEST
from .exact import integers
from .judgement import Judgement
from .limits import MAX_ULP_INTERNAL, MAX_ULP_OUTPUT
from .outputs import OutputTruth, error_of
from .rounding import STORED_ONLY, ulp
from .verdict import ErrorMap

MOST_ROWS, MOST_COLUMNS = 12, 48
_BLOCK = 1 << 20  # elements that are looked at together
# Borders between the five shades: of errors over what is allowed, and of shares of elements that differ.
_SHADES = {"limit": (0.1, 0.5, 1.0, 10.0), "share": (0.0, 0.01, 0.1, 0.5)}


def shade(value: float, scale: str) -> int:
    """Return 0 (nothing to see) to 4; of errors 3 and 4 are above what is allowed."""
    return sum(abs(value) > border for border in _SHADES[scale])


def map_of(right: OutputTruth, value: torch.Tensor, found: Judgement, truncating: bool = False) -> ErrorMap | None:
    """Return the map of `value` against its truth, of the quantity that `found` failed by; None if it has no places."""
    rows, length = right.layout.rows, right.layout.length
    if tuple(value.shape) != right.shape or not rows * length or right.random:
        return None
    cell_rows, cell_columns = -(-rows // MOST_ROWS), -(-length // MOST_COLUMNS)
    quantity, scale, cells, together = _quantity(right, value.cpu(), found, truncating, cell_columns)
    bands = []
    for start in range(0, rows, cell_rows):
        end, step = min(rows, start + cell_rows), max(1, min(cell_rows, _BLOCK // max(1, length)))
        parts = [cells(slice(at, min(end, at + step))) for at in range(start, end, step)]
        bands.append(together(parts).clamp(-LARGEST, LARGEST).tolist())
    values = tuple(tuple(float(f"{v:.3g}") for v in band) for band in bands)
    return ErrorMap(
        output=right.name, quantity=quantity, scale=scale, rows=rows, columns=length, cell_rows=cell_rows,
        cell_columns=cell_columns, values=values,
    )  # fmt: skip


Cells = Callable[[slice], torch.Tensor]
Together = Callable[[Sequence[torch.Tensor]], torch.Tensor]


def _quantity(
    right: OutputTruth, value: torch.Tensor, found: Judgement, truncating: bool, width: int
) -> tuple[str, Literal["limit", "share"], Cells, Together]:
    """Return what is shown, its scale, a function from rows to that quantity per row and cell [r, C], and how such
    parts of one band come together."""
    view = right.layout.view
    if right.exact is not None:
        differs = view(integers(right, value) != right.exact)
        return "share of values that differ", "share", lambda part: _mean(differs[part].double(), width), _average
    value = value.float() if value.dtype in STORED_ONLY else value
    if found.status is Status.NONFINITE:
        other = view(right.other_kind(value))
        return "share of values of the wrong kind", "share", lambda part: _mean(other[part].double(), width), _average
    assert right.value_RN is not None
    assert right.grid is not None
    truth_RN, limits, internal = right.value_RN, right.limits(truncating), right.grid.internal
    error = error_of(right, view(value))
    worst = max(found.checks, key=lambda c: c.ratio) if found.checks else None
    if worst is not None and "signed" in worst.rule:
        allowed = max(worst.allowed / worst.unit, 1e-300)

        def products(part: slice) -> torch.Tensor:
            y = truth_RN[part]
            return torch.stack((_sum(error(part) * y, width), _sum(y * y, width) * allowed))

        return f"{worst.rule}, over the {allowed:.3g} allowed", "limit", products, _bias
    if worst is not None and "RMS" in worst.rule:
        per_row = worst.rule.startswith("row")

        def rms(part: slice) -> torch.Tensor:
            limit = limits.rms_R[part][:, None] if per_row else limits.rms
            return _mean(error(part) ** 2, width).sqrt() / limit

        return f"{worst.rule}, over what is allowed", "limit", rms, _worst

    def peak(part: slice) -> torch.Tensor:
        y = truth_RN[part]
        units = MAX_ULP_OUTPUT * ulp(y, right.dtype) + MAX_ULP_INTERNAL * ulp(y, internal)
        ratio = error(part).abs() / torch.maximum(units, limits.peak_R[part][:, None])
        return _cells(ratio, width).amax(-1)

    return "largest error, over what is allowed", "limit", peak, _worst


def _average(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat(list(parts)).mean(0)


def _worst(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat(list(parts)).amax(0)


def _bias(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Sums of e*y over sums of y*y, of a whole band: [2, r, C] each."""
    along, square = torch.cat(list(parts), 1).sum(1)
    return along / square.clamp(min=1e-300)


def _cells(values: torch.Tensor, width: int) -> torch.Tensor:
    """Cut [r, N] into cells of `width` columns, the last one filled with zeros: [r, C, width]."""
    missing = -values.shape[1] % width
    return torch.nn.functional.pad(values, (0, missing)).view(values.shape[0], -1, width)


def _sum(values: torch.Tensor, width: int) -> torch.Tensor:
    return _cells(values, width).sum(-1)


def _mean(values: torch.Tensor, width: int) -> torch.Tensor:
    return _sum(values, width) / _sum(torch.ones_like(values), width)
