"""The files that a profile leaves: problems of the modules that it saw, profile.json, and a page."""

from __future__ import annotations

import re
from pathlib import Path

from .fits import snake_case
from .nouns import ModuleTime, ProfileResult
from .page import render
from .recorder import Recording

RESULT_FILE, PAGE_FILE, TRACE_FILE = "profile.json", "profile.html", "trace.json"


def save_problems(result: ProfileResult, recording: Recording, folder: Path) -> ProfileResult:
    """Write a problem file for every module row that can be one, and return `result` with their paths. The names begin
    with the rank."""
    files = {recording.sites[n].kin: written for n, written in recording.problems.items()}
    rows: list[ModuleTime] = []
    paths: list[str] = []
    notes: list[str] = []
    for row in result.modules:
        written = files.get((row.module, row.path, row.shapes, row.dtypes, row.read_bytes, row.written_bytes))
        if written is None or row.backward:
            rows.append(row)
        elif written.text:
            path = folder / f"{len(paths) + 1:02d}_{_stem(row)}.py"
            path.write_text(written.text)
            paths.append(str(path))
            rows.append(row.with_(problem=str(path)))
        else:
            notes.append(f"no problem file for {row.module} {row.path}: {written.why}")
            rows.append(row)
    return result.with_(modules=tuple(rows), problems=tuple(paths), notes=(*result.notes, *notes))


def _stem(row: ModuleTime) -> str:
    """A file name: rms_norm_layers_before."""
    return re.sub(r"\W+", "_", f"{snake_case(row.module)}_{row.path.replace('*', '')}").strip("_")


def store(result: ProfileResult, folder: Path) -> None:
    """Write `result` into `folder`, for programs and for people."""
    (folder / RESULT_FILE).write_text(result.to_json(indent=1) + "\n")
    (folder / PAGE_FILE).write_text(render(result), encoding="utf-8")
