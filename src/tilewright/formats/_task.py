"""task.yml of a GPU MODE folder: its files, and the cases of its tests and benchmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..problem import Workload
from ._errors import InputError, MachineError
from ._trace import read_text

MAX_TASK_BYTES = 128 << 10
MAX_FILE_BYTES = 4 << 20
MOST_CASES = 2000
_NOT_OURS = ("eval.py", "template.py", "submission.py")


@dataclass(frozen=True)
class Task:
    """What a task.yml says: the texts of its Python files by name, and its cases, tests before benchmarks."""

    name: str
    files: dict[str, str]
    cases: tuple[tuple[str, dict[str, Any]], ...]


def read_task(folder: Path) -> Task:
    """Return the task of `folder`; InputError in one line."""
    path = folder / "task.yml"
    data = _yaml(read_text(path, MAX_TASK_BYTES), str(path))
    if not isinstance(data, dict):
        raise InputError(f"{path} must be a mapping with files, tests and benchmarks")
    if data.get("multi_gpu"):
        raise InputError(f"{path}: the task runs on several GPUs at once, which is not supported")
    if str(data.get("lang", "py")) != "py":
        raise InputError(f"{path}: the language is {data['lang']!r}; tasks in Python (py) can be read")
    cases = tuple(_cases(data, str(path)))
    if not cases:
        raise InputError(f"{path} lists no tests and no benchmarks; there must be a case to run")
    return Task(folder.absolute().name, _files(folder, data, str(path)), cases)


def _yaml(text: str, path: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise MachineError("a GPU MODE task.yml needs PyYAML; install it with: pip install pyyaml") from None

    class Plain(yaml.SafeLoader):
        """Without aliases: a few lines of them stand for more data than fits into memory."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise yaml.YAMLError("aliases (*name) are not read")
            return super().compose_node(parent, index)

    try:
        return yaml.load(text, Loader=Plain)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, OverflowError, AttributeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from None


def _cases(data: Mapping[Any, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("tests", "benchmarks"):
        listed = data.get(kind) or []
        if not isinstance(listed, list) or len(listed) > MOST_CASES:
            raise InputError(f"{path}: {kind} must be a list of at most {MOST_CASES} cases")
        for case in listed:
            if not isinstance(case, dict) or not all(isinstance(k, str) and k.isidentifier() for k in case):
                raise InputError(f"{path}: a case of {kind} must map the arguments of generate_input to values")
            if not all(_plain(v) or (isinstance(v, list) and all(map(_plain, v))) for v in case.values()):
                raise InputError(
                    f"{path}: a case of {kind} has values that are neither numbers nor words, nor lists of them"
                )
            yield kind, case


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | None)


def _files(folder: Path, data: Mapping[Any, Any], path: str) -> dict[str, str]:
    """Return the Python files that the task names, or those of its folder; all but the submission and the harness."""
    listed = data.get("files")
    if listed is None:
        pairs = [(p.name, p.name) for p in sorted(folder.glob("*.py"))]
    elif isinstance(listed, list) and all(isinstance(f, dict) for f in listed):
        pairs = [(str(f.get("name", "")), str(f.get("source", ""))) for f in listed]
    else:
        raise InputError(f"{path}: files must be a list of name and source")
    root, files = folder.resolve().parent, {}
    for name, source in pairs:
        if name in _NOT_OURS or not re.fullmatch(r"\w+\.py", name) or source == "@SUBMISSION@":
            continue
        file = (folder / source).resolve()
        if "\0" in source or not file.is_relative_to(root):
            raise InputError(f"{path}: the file {source!r} lies outside of the task and its neighbours")
        files[name] = read_text(file, MAX_FILE_BYTES)
    if "reference.py" not in files:
        raise InputError(f"{path}: there is no reference.py, which must define generate_input and ref_kernel")
    return files


def workloads_of(cases: tuple[tuple[str, dict[str, Any]], ...], dtype: str) -> tuple[Workload, ...]:
    """Return the cases as workloads: whole numbers are axes, all else parameters, and our seeds replace theirs."""
    found: dict[str, Workload] = {}
    for kind, case in cases:
        rest = {k: v for k, v in case.items() if k != "seed"}
        axes = {k: v for k, v in rest.items() if type(v) is int and v >= 0}
        params = {k: v for k, v in rest.items() if k not in axes}
        name = re.sub(r"[^\w.-]+", "-", "_".join(f"{k}{v}" for k, v in rest.items()))[:120] or "case"
        if name not in found:  # another seed of a case is no other case
            found[name] = Workload(name=name, axes=axes, params=params, dtype=dtype, source=kind)
    return tuple(found.values())
