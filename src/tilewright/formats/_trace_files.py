"""What belongs to what: data sets of FlashInfer-Bench, problem folders of SOL-ExecBench, and single files of either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import InputError
from ._trace import read_json

MOST_FILES = 20_000
_SOL_FIELDS = ("custom_inputs_entrypoint", "hf_id")


@dataclass(frozen=True)
class Found:
    """What a path names: the definitions there, the folder that relative paths start from, and, where the path is a
    solution's own, that solution."""

    dialect: str
    definitions: tuple[Path, ...]
    root: Path
    solution: Path | None = None


def find(path: Path) -> Found | None:
    """Return what the folder or JSON file `path` holds of either dialect; None when it is something else."""
    if path.is_dir():
        if (path / "definition.json").is_file():
            return Found("sol", (path / "definition.json",), path)
        if (path / "definitions").is_dir():
            return Found("flashinfer", tuple(files_below(path / "definitions", ".json")), path)
        return None
    if path.suffix == ".jsonl":
        raise InputError(f"{path} has workloads or traces; name the definition or the folder that they belong to")
    if path.suffix != ".json" or not path.is_file():
        return None
    data = read_json(path)
    if isinstance(data, dict) and "spec" in data and "sources" in data:
        return _of_solution(path, data)
    if isinstance(data, dict) and "axes" in data and "inputs" in data:
        root = _above(path, "definitions") or path.parent
        return Found(_dialect(path, data), (path,), root)
    raise InputError(f"{path} is neither a definition (axes, inputs, reference) nor a solution (spec, sources)")


def _of_solution(path: Path, data: dict[str, Any]) -> Found:
    spec = data["spec"]
    dialect = "sol" if isinstance(spec, dict) and "languages" in spec else "flashinfer"
    root = _above(path, "solutions")
    if root is not None and (root / "definitions").is_dir():
        named = tuple(p for p in files_below(root / "definitions", ".json") if p.stem == data.get("definition"))
        return Found(dialect, named, root, path)
    beside = path.with_name("definition.json")
    return Found(dialect, (beside,) if beside.is_file() else (), path.parent, path)


def _dialect(path: Path, data: dict[str, Any]) -> str:
    axes = data["axes"].values() if isinstance(data["axes"], dict) else ()
    computed = any(isinstance(a, dict) and a.get("type") == "expr" for a in axes)
    return "sol" if computed or path.name == "definition.json" or any(f in data for f in _SOL_FIELDS) else "flashinfer"


def _above(path: Path, folder: str) -> Path | None:
    """Return the folder that holds the outermost `folder` on the way up from `path`."""
    for parent in path.absolute().parents:
        if parent.name == folder:
            return parent.parent
    return None


def files_below(folder: Path, suffix: str) -> Iterator[Path]:
    for count, path in enumerate(sorted(folder.rglob(f"*{suffix}"))):
        if count >= MOST_FILES:
            raise InputError(f"{folder} has more than {MOST_FILES} files; name one of its definitions")
        yield path
