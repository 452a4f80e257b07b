"""Run the corpus of cheating, wrong and honest candidates on a device, and record what the judge said of each.

Run: python bench/corpus_record.py --device cuda -o bench/results/h200/corpus.json [--seconds 500] [--untimed]

What is in the file already is not run again, so that a run that ended early can be gone on with. Candidates that are
made for a processor (numpy, C++, threads, files, tensors in host memory) are left out on a GPU. `--untimed` judges
results only, which decides for wrong and honest candidates, and lets several processes (`--part 1/4`) share a GPU,
each with a file of its own: one that two write to keeps the results of the last.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from corpus_files import Court, Entry, complaint, court, entries  # noqa: E402
from tilewright.device import detect, environment  # noqa: E402

COLUMNS = ["kind", "candidates", "judged rightly", "judged wrongly"]
# Also what makes tensors without saying where: they lie in host memory.
_FOR_PROCESSORS = re.compile(
    r"numpy|ctypes|cpp|load_inline|mmap|subprocess|threading|multiprocess|socket|set_num_threads|/proc|\bos\b|triton"
    r"|torch\.(?:arange|zeros|ones|empty|full|tensor|eye|linspace|randn?|randint|randperm|tri[lu]_indices|Generator)"
    r"\((?![^\n]*device)"
)


def fits(entry: Entry, device: str) -> bool:
    return not entry.gpu if device == "cpu" else entry.gpu or not _FOR_PROCESSORS.search(entry.path.read_text())


def judged(trial: Court, entry: Entry, timed: bool) -> dict[str, Any]:
    begun = time.perf_counter()
    found = complaint(trial, entry, timed)
    spent_s = round(time.perf_counter() - begun, 2)
    known = str(entry.header.get("open", "")) if found else ""
    return {"name": entry.name, "kind": entry.kind, "timed": timed, "wrongly": found, "open": known, "spent_s": spent_s}


def table(results: list[dict[str, Any]], of: int) -> dict[str, Any]:
    """Counts by kind; a known hole (`open`) is judged wrongly like any other."""
    every, wrongly = (Counter(r["kind"] for r in results if which(r)) for which in (bool, lambda r: r["wrongly"]))
    return {
        "caption": f"The corpus in the certify tier, {len(results)} of {of} candidates that fit this device",
        "columns": COLUMNS,
        "rows": [[kind, every[kind], every[kind] - wrongly[kind], wrongly[kind]] for kind in sorted(every)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--kinds", default="cheat,wrong,honest", help="with commas")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no candidate after so long")
    parser.add_argument("--untimed", action="store_true", help="judge results only")
    parser.add_argument("--part", default="1/1", help="K/N: the problems of part K of N")
    parser.add_argument("-o", "--out", type=Path, required=True, help="write the result here as JSON")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    chosen = [e for e in entries() if fits(e, options.device)]
    results = json.loads(options.out.read_text())["results"] if options.out.is_file() else []
    done = {r["name"] for r in results}
    mine = [e for e in chosen if e.kind in options.kinds.split(",") and e.name not in done]
    shared = {"environment": environment(detect(options.device))}
    end = time.monotonic() + options.seconds
    options.out.parent.mkdir(parents=True, exist_ok=True)
    groups = [list(group) for _, group in itertools.groupby(mine, key=lambda e: e.problem)]
    for group in groups[part - 1 :: parts]:
        with court(options.device) as trial:  # of one problem: each keeps a child and its memory
            for entry in group:
                if time.monotonic() > end:
                    return
                results.append(judged(trial, entry, not options.untimed))
                print(f"{entry.name}: {results[-1]['wrongly'] or 'as it should be'}", file=sys.stderr, flush=True)
                data = table(results, len(chosen)) | shared | {"results": results}
                options.out.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
