"""Write docs/corpus.md, the table of the corpus, from the headers of its candidates.

python bench/corpus_table.py            write it
python bench/corpus_table.py --check    end with 1 if it says something else
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "corpus.md"
sys.path.insert(0, str(ROOT / "tests"))

from corpus_files import Entry, entries  # noqa: E402

_HEAD = """# The corpus

Candidates that the judge must get right, one file each under `tests/corpus`. `make test` runs a small part of them,
`make corpus` all, in the certify tier, each in a process of its own. This page is made by `bench/corpus_table.py` from
the candidates' headers. Files under `outside` were written by people who had not read the judge.

"""
_PARTS = {
    "cheat": (
        "Cheats",
        "A cheat must gain nothing: it is refused, or, where it is only neutralised, it is no faster than the plain "
        "reference. Those marked *never* must be refused.",
    ),
    "wrong": ("Wrong", "Kernels with a mistake, or with a shortcut in precision. None may pass."),
    "honest": ("Honest", "Right kernels, many of which look suspicious. All must pass."),
}


def page() -> str:
    every = entries()
    counts = ", ".join(f"{sum(e.kind == k for e in every)} {title.lower()}" for k, (title, _) in _PARTS.items())
    tables = [_table(kind, [e for e in every if e.kind == kind]) for kind in _PARTS]
    return f"{_HEAD}{counts}; {sum(e.gpu for e in every)} of them need a GPU.\n\n" + "\n".join(tables)


def _table(kind: str, found: list[Entry]) -> str:
    title, words = _PARTS[kind]
    lines = [f"## {title}", "", words, "", "| candidate | problem | what it does | source | what meets it |"]
    lines.append("|---|---|---|---|---|")
    lines += ["| " + " | ".join(_cells(e)) + " |" for e in sorted(found, key=lambda e: e.name)]
    return "\n".join(lines) + "\n"


def _cells(entry: Entry) -> list[str]:
    header = entry.header
    marks = [m for m, there in (("never", header.get("must")), ("GPU", entry.gpu)) if there]
    name = f"`{entry.name.replace(entry.path.parent.name + '/', '')}`" + (f" ({', '.join(marks)})" if marks else "")
    return [name, *(str(header[key]).replace("|", "\\|") for key in ("problem", "what", "source", "defence"))]


def main() -> int:
    if "--check" in sys.argv[1:]:
        return int(not PAGE.is_file() or PAGE.read_text() != page())
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
