"""Validate every problem of a folder of KernelBench problems, and record which of them are fit to judge kernels with.

Run: python bench/kernelbench_problems.py --problems DIR [-o bench/results/kernelbench.json]

DIR holds level1 to level4, as KernelBench has them. Each problem is read and validated at its own sizes, by what is
behind `tilewright problem validate`, in a process of its own with limits on time and memory; what does not fit is
skipped with the reason. The file is written after each problem, and a run that was stopped goes on where it was.
`--again` looks once more at what was skipped and may fit now. Recorded are names, verdicts and reasons, and nothing of
the problems.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "kernelbench.json"
SKIPPED, UNREADABLE = "SKIPPED", "UNREADABLE"
_GIB = 1 << 30
_LONGEST = 240
_SHARE = 0.7  # of the time, after which validation begins nothing more


@dataclass(frozen=True)
class Limits:
    """What one problem may take: seconds in all, seconds to read its file, and bytes of memory."""

    timeout_s: float
    load_timeout_s: float
    memory_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=Path, required=True, help="the folder that holds level1 to level4")
    parser.add_argument("--level", type=int, nargs="+", default=[1, 2, 3, 4], help="only these levels")
    parser.add_argument("--only", default="", help="only problems with this in their name")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one problem")
    parser.add_argument("--load-timeout", type=float, default=60.0, help="seconds to read one problem")
    parser.add_argument("--memory", type=float, default=0.0, help="GiB for one problem; default: half of what is free")
    parser.add_argument("--again", action="store_true", help="look again at what was skipped")
    parser.add_argument("-o", "--out", type=Path, default=RESULTS, help="write the result here as JSON")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        validate_here(options.one, options.load_timeout, _SHARE * options.timeout)
        return
    files = problem_files(options.problems, options.level, options.only)
    if not files:
        parser.error(f"{options.problems} holds no level1 to level4 with such problems (*.py)")
    memory_bytes = int(options.memory * _GIB) or free_bytes() // 2
    record(files, options.out, Limits(options.timeout, options.load_timeout, memory_bytes), options.again)


def problem_files(folder: Path, levels: list[int], only: str) -> list[tuple[int, Path]]:
    """The problems of `levels` below `folder`, by level and by the number that their names begin with."""
    found = [(level, path) for level in levels for path in (folder / f"level{level}").glob("*.py")]
    return sorted(((n, p) for n, p in found if only in p.stem), key=lambda item: (item[0], _number(item[1]), item[1]))


def _number(path: Path) -> int:
    leading = re.match(r"\d+", path.stem)
    return int(leading[0]) if leading else 0


def record(files: list[tuple[int, Path]], out: Path, limits: Limits, again: bool) -> None:
    """Validate what `out` does not have yet, and write it after each problem."""
    from tilewright.device import environment

    data: dict[str, Any] = json.loads(out.read_text()) if out.is_file() else {"kind": "kernelbench", "problems": []}
    rows = {(row["level"], row["name"]): row for row in data["problems"]}
    for number, (level, path) in enumerate(files, 1):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        known = rows.get((level, path.stem))
        if known and known["digest"] == digest and not (again and may_fit(known, limits)):
            continue
        row = {"level": level, "name": path.stem, "digest": digest, **validated(path, limits)}
        if row["reason"].startswith("needs transformers") and "from_pretrained" in path.read_text():
            row["reason"] = "needs transformers, and a model's files from the network"
        rows[level, path.stem] = row
        kept = sorted(rows.values(), key=lambda r: (r["level"], _number(Path(r["name"])), r["name"]))
        write(out, {**data, "problems": kept, "environment": environment()})
        said = row["reason"] or "; ".join(row["weak"])
        print(f"{number}/{len(files)} level {level} {path.stem}: {row['status']} in {row['seconds']:.0f} s {said}",
              flush=True)  # fmt: skip


def may_fit(row: dict[str, Any], limits: Limits) -> bool:
    """Whether a problem was skipped for a reason that may be gone: any but more memory than may be used now, too."""
    needs = re.fullmatch(r"needs (\d[\d.]*) GiB", row["reason"])
    return row["status"] == SKIPPED and not (needs and float(needs[1]) * _GIB > limits.memory_bytes)


def write(out: Path, data: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1) + "\n")
    partial.replace(out)  # one that is stopped here leaves the file as it was


def validated(path: Path, limits: Limits) -> dict[str, Any]:
    """Validate the problem at `path` in a process of its own, within `limits`."""
    command = [sys.executable, __file__, "--problems", str(path.parent), "--one", str(path)]
    command += ["--load-timeout", str(limits.load_timeout_s), "--timeout", str(limits.timeout_s)]
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: hold_memory(limits.memory_bytes),
    )
    try:
        printed, _ = process.communicate(timeout=limits.timeout_s)
        over = False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed, _ = process.communicate()
        over = True
    messages = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return {**row_of(messages, over, process.returncode, limits), "seconds": round(time.monotonic() - start, 1)}


def hold_memory(limit_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, hard))


def row_of(messages: list[dict[str, Any]], over: bool, code: int, limits: Limits) -> dict[str, Any]:
    """What is recorded of a problem whose process said `messages`, and ended with `code` or was `over` its time."""
    stages = [m["stage"] for m in messages if "stage" in m]
    row = {"loads": bool(stages), "status": SKIPPED, "reason": "", "weak": [], "notes": []}
    last = messages[-1] if messages else {}
    if "result" in last:
        found = last["result"]
        reason = found["detail"] if found["status"] == "INVALID_REFERENCE" else ""
        row |= {"status": found["status"], "reason": short(reason)}
        row |= {"weak": plain(found["weaknesses"]) if not reason else [], "notes": plain(found["notes"])}
        return row | {key: found[key] for key in ("mutants", "mutants_tried", "mutants_rejected")}
    if "error" in last:
        unfit = last["code"] == 3
        return row | {"status": SKIPPED if unfit else UNREADABLE, "reason": short(last["error"])}
    at = stages[-1] if stages else "reading the problem"
    if over:
        return row | {"reason": f"more than {limits.timeout_s:.0f} s on {cores()}: {at}"}
    return row | {"reason": f"its process ended with code {code}, within {limits.memory_bytes / _GIB:.0f} GiB: {at}"}


def cores() -> str:
    count = len(os.sched_getaffinity(0))
    return f"{count} core{'s' * (count > 1)}"


def plain(points: list[str]) -> list[str]:
    """Points without the name of the workload: a KernelBench problem has one."""
    return [point.partition(": ")[2] for point in points]


def short(reason: str) -> str:
    """A reason in one line, without the folder that the problem lies in; what does not fit as "needs N GiB"."""
    needs = re.search(r"(?:needs about|take|asks for) (\d[\d.]*) GiB", reason)
    if needs:
        return f"needs {needs[1]} GiB"
    if "needs more memory than there is" in reason:
        return "needs more memory than there is"
    return re.sub(r"^\S+\.py ", "", " ".join(reason.split()))[:_LONGEST]


def validate_here(path: Path, load_timeout_s: float, limit_s: float) -> None:
    """Validate the problem at `path` here; say each stage, then the result or the error, as lines of JSON."""
    stdout = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def tell(**message: Any) -> None:
        stdout.write(json.dumps(message) + "\n")

    import torch

    from tilewright import api
    from tilewright.device.machine import available_memory_bytes

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    least_bytes, most_bytes = needed_by_inputs(path), available_memory_bytes() // 2
    if least_bytes > most_bytes:  # drawing them takes longer than saying so
        tell(stage="its inputs, as shapes")
        tell(error=f"needs about {least_bytes / _GIB:.1f} GiB", code=3)
        return
    try:
        found = api.validate(
            str(path),
            load_timeout_s=load_timeout_s,
            limit_s=limit_s,
            progress=lambda line: tell(stage=line.rpartition(": ")[2]),
        )
        tell(result=json.loads(found.to_json()))
    except api.InputError as error:
        tell(error=str(error), code=error.exit_code)


def needed_by_inputs(path: Path) -> int:
    """At least the memory in bytes that validation takes: what inputs and weights alone do, made without data. 0 where
    the file does not run so; it is then run with data, by a reader that says why it cannot."""
    import torch

    from tilewright.verify.validation import needed_for

    module: dict[str, Any] = {"__name__": "kernelbench_problem"}
    try:
        with torch.device("meta"), torch.no_grad():
            exec(compile(path.read_text(), str(path), "exec"), module)
            model = module["Model"](*module["get_init_inputs"]())
            tensors = [t for t in (*module["get_inputs"](), *model.state_dict().values()) if torch.is_tensor(t)]
    except Exception:  # noqa: BLE001 - whatever the file raises, the reader meets it again
        return 0
    return needed_for(tensors)


def free_bytes() -> int:
    """Memory in bytes that nobody uses now."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) << 10


if __name__ == "__main__":
    main()
