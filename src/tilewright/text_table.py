"""Tables of text for a terminal, which break no word as long as there is room for the words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

_GAP = 2  # between columns
_WIDTH_WITHOUT_TERMINAL = 120


def console() -> Console:
    """The terminal, or, where there is none, something of a fixed width."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)


def table(
    out: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Sequence[str] = (),
    header: bool = True,
) -> None:
    """Print one table; the columns `numbers` hold numbers with units, to the right."""
    rows = list(rows)
    made = Table(box=None, show_header=header, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    whole = _width(columns, rows, numbers) <= out.width  # else words have to be broken
    for column, least in zip(columns, _least_widths(columns, rows, numbers), strict=True):
        justify: Literal["left", "right"] = "right" if column in numbers else "left"
        made.add_column(column, justify=justify, overflow="fold", min_width=least if whole else None)
    for row in rows:
        made.add_row(*row)
    out.print(made)


def grouped(
    out: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[str],
    optional: Sequence[str],
) -> None:
    """Print one table; where it is too wide, one for each value of the first column, and without those of the columns
    `optional`, in this order, that there is no room for."""
    if _width(columns, rows, numbers) <= out.width:
        table(out, columns, rows, numbers)
        return
    for name in dict.fromkeys(row[0] for row in rows):
        out.print(f"[bold]{escape(name)}[/]")
        fitted(out, columns[1:], [row[1:] for row in rows if row[0] == name], numbers, optional)


def fitted(
    out: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[str],
    optional: Sequence[str],
) -> None:
    """Print one table without those of the columns `optional`, in this order, that there is no room for."""
    shown, cells = narrowed(out, columns, rows, numbers, optional)
    table(out, shown, cells, numbers)


def narrowed(
    out: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[str],
    optional: Sequence[str],
) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of a table without those of the columns `optional`, in this order, that there is no room
    for."""
    shown, cells = list(columns), [list(row) for row in rows]
    for column in optional:
        if _width(shown, cells, numbers) > out.width and column in shown:
            at = shown.index(column)
            shown.pop(at)
            cells = [row[:at] + row[at + 1 :] for row in cells]
    return shown, cells


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str]) -> int:
    """The width in characters that a table needs to break no word and no number."""
    least = _least_widths(columns, rows, numbers)
    return sum(least) + _GAP * (len(least) - 1)


def _least_widths(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str]) -> list[int]:
    """The width of the longest word of each column, or of its longest cell where it holds numbers with units."""

    def width(column: str, cell: str) -> int:
        text = Text.from_markup(cell).plain
        return cell_len(text) if column in numbers else max(map(cell_len, text.split()), default=0)

    return [max(width(c, cell) for cell in (c, *(row[i] for row in rows))) for i, c in enumerate(columns)]
