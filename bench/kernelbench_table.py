"""Write docs/kernelbench.md, what validation says of KernelBench's problems, from bench/results/kernelbench.json.

python bench/kernelbench_table.py            write it
python bench/kernelbench_table.py --check    end with 1 if it says something else
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "kernelbench.md"
RECORDED = ROOT / "bench" / "results" / "kernelbench.json"
# Problems that a public report (KernelBench issue 165) found to accept zeros under the project's own tolerance.
ACCEPT_ZEROS = (
    "23_Softmax",
    "37_FrobeniusNorm_",
    "39_L2Norm_",
    "53_Min_reduction_over_a_dimension",
)
_HEAD = """# KernelBench's problems

Which problems of [KernelBench](https://github.com/ScalingIntelligence/KernelBench) are fit to judge kernels with, as
`tilewright problem validate` says at the sizes that they are written for. A problem is weak where a wrong answer would
pass, an input does not matter, or a changed reference cannot be told from it ([the judge](judge.md)). "Read" says that
the file was imported and its inputs and weights were made, as shapes at least; "fit in part" that time did not suffice
for every mutated reference or input. This page is made by
`bench/kernelbench_table.py` from what `bench/kernelbench_problems.py` recorded.
"""
_IN_PART = ("the time was over", "mutants were tried", "was tried of")  # notes of validation
_COUNTED = (
    "problems",
    "read",
    "fit",
    "fit in part",
    "weak",
    "no reference",
    "skipped: memory",
    "skipped: time",
    "skipped: other",
)


def page(data: dict[str, Any]) -> str:
    rows = data["problems"]
    parts = [_HEAD, _machine(data), _counts(rows), _zeros(rows), _weak(rows), _unread(rows)]
    return "\n".join(part for part in parts if part)


def _machine(data: dict[str, Any]) -> str:
    found = data["environment"]
    memory = found["memory_bytes"] / 2**30
    cores = f"{found['cores']} core{'s' * (found['cores'] > 1)}"
    return f"Recorded on {found['cpu']}, {cores}, {memory:.0f} GiB, torch {found['torch']}.\n"


def counted(row: dict[str, Any]) -> str:
    """The column that a problem is counted in."""
    if row["status"] == "PASSED":
        partial = any(
            "the time was over" in n or "mutants were tried" in n or "was tried of" in n for n in row["notes"]
        )
        return "fit in part" if partial else "fit"
    if row["status"] == "WEAK_PROBLEM":
        return "weak"
    if row["status"] != "SKIPPED":
        return "no reference"
    memory = row["reason"].endswith("GiB") or "memory" in row["reason"]
    return "skipped: memory" if memory else "skipped: time" if row["reason"].startswith("more than") else _COUNTED[-1]


def _counts(rows: list[dict[str, Any]]) -> str:
    lines = []
    for level in sorted({r["level"] for r in rows}):
        of_level = [r for r in rows if r["level"] == level]
        counts = Counter(map(counted, of_level))
        counts |= Counter({"problems": len(of_level), "read": sum(r["loads"] for r in of_level)})
        lines.append([str(level), *(str(counts[name]) for name in _COUNTED)])
    return _table(["level", *_COUNTED], lines)


def _zeros(rows: list[dict[str, Any]]) -> str:
    """What became of the problems that are known to accept zeros elsewhere."""
    named = {r["name"]: r for r in rows if r["level"] == 1}
    lines = [[f"`{name}`", *_verdict(named[name])] for name in ACCEPT_ZEROS if name in named]
    words = (
        "## Known to accept zeros\n\nOutputs of these are so small that an absolute tolerance of 1e-2 takes zeros for\n"
        "right (KernelBench #165). Limits that follow from the reference's own error do not; where a problem does not\n"
        "fit into memory, `tests/test_admission.py` shows it for the same operations on smaller inputs.\n"
    )
    return f"{words}\n{_table(['problem', 'verdict', 'what was found'], lines)}"


def _verdict(row: dict[str, Any]) -> list[str]:
    zeros = [w for w in row["weak"] if "zeros passes" in w]
    if row["status"] in ("PASSED", "WEAK_PROBLEM"):
        tiny = [n for n in row["notes"] if "absolute tolerance" in n]
        return [row["status"], "; ".join([zeros[0] if zeros else "zeros are rejected", *tiny])]
    return [row["status"], row["reason"]]


def _weak(rows: list[dict[str, Any]]) -> str:
    weak = [r for r in rows if r["status"] in ("WEAK_PROBLEM", "INVALID_REFERENCE")]
    lines = [[str(r["level"]), f"`{r['name']}`", "<br>".join(map(_cell, r["weak"] or [r["reason"]]))] for r in weak]
    return "## Weak problems\n\n" + _table(["level", "problem", "why"], lines)


def _unread(rows: list[dict[str, Any]]) -> str:
    """Problems that cannot be read, by the reason."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if not row["loads"]:
            reasons.setdefault(row["reason"], []).append(f"{row['level']}/{row['name']}")
    lines = [[_cell(reason), ", ".join(f"`{n}`" for n in names)] for reason, names in reasons.items()]
    return "## Not read here\n\n" + _table(["reason", "problems"], lines) if lines else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(columns: list[str], lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, ["---"] * len(columns), *lines)) + "\n"


def main() -> int:
    text = page(json.loads(RECORDED.read_text()))
    if "--check" in sys.argv[1:]:
        return int(not PAGE.is_file() or PAGE.read_text() != text)
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
