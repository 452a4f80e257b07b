"""Reads the corpus (tests/corpus), and says what a candidate of it must come to."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zlib import crc32

CORPUS = Path(__file__).parent / "corpus"
KINDS = {"cheats": "cheat", "wrong": "wrong", "honest": "honest"}
_KEYS = {"problem", "kind", "what", "source", "defence", "device"}
_MORE_KEYS = {"open", "fast", "needs", "must"}
NO_FASTER = 0.8  # of the plain reference's time: below it a cheat has an advantage that is not noise


@dataclass(frozen=True)
class Entry:
    """One candidate: `path`, and the header's words."""

    path: Path
    header: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(CORPUS).with_suffix(""))

    @property
    def kind(self) -> str:
        return str(self.header["kind"])

    @property
    def fast(self) -> bool:
        """Whether `make test` runs it: where the header says so; of those written outside, which bring a problem each,
        a third of these, by name."""
        outside = "outside" in self.path.parts
        return bool(self.header.get("fast")) and (not outside or crc32(self.path.name.encode()) % 3 == 0)

    @property
    def gpu(self) -> bool:
        return self.header["device"] == "gpu"

    @cached_property
    def problem(self) -> Path:
        """The problem's file: beside this folder's own problems, or in the corpus's."""
        own = self.path.parents[1] / "problems" / f"{self.header['problem']}.py"
        return own if own.is_file() else CORPUS / "problems" / own.name


def entries() -> list[Entry]:
    """Every candidate, those of one problem together. ValueError names a file whose header is not one."""
    folders = [folder for root in (CORPUS, CORPUS / "outside") for folder in map(root.joinpath, KINDS)]
    found = [_entry(path) for folder in folders for path in sorted(folder.glob("*.py"))]
    return sorted(found, key=lambda e: (e.header["problem"], e.name))


def _entry(path: Path) -> Entry:
    assigned = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Assign)]
    headers = [n.value for n in assigned if [ast.unparse(t) for t in n.targets] == ["CORPUS"]]
    header = ast.literal_eval(headers[0]) if headers else {}
    missing, unknown = _KEYS - set(header), set(header) - _KEYS - _MORE_KEYS
    if missing or unknown:
        raise ValueError(f"{path}: CORPUS lacks {sorted(missing)}, and has no use for {sorted(unknown)}")
    if header["kind"] != KINDS[path.parent.name]:
        raise ValueError(f"{path}: a {header['kind']!r} does not belong in {path.parent.name}")
    return Entry(path, header)


class Court:
    """One Evaluator for each problem, and the plain reference as a candidate to compare times with."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._evaluators: dict[Path, Any] = {}
        self._plain: dict[Path, Any] = {}

    def close(self) -> None:
        for evaluator in self._evaluators.values():
            evaluator.close()

    def evaluator(self, entry: Entry) -> Any:
        from tilewright.evaluate import Evaluator
        from tilewright.formats import load_problem

        if entry.problem not in self._evaluators:
            problem = load_problem(str(entry.problem))
            self._evaluators[entry.problem] = Evaluator(problem, device=self.device, allow_weak_sandbox=True)
        return self._evaluators[entry.problem]

    def judge(self, entry: Entry, timed: bool) -> Any:
        """The record of the candidate in the certify tier; measured again where the machine was not quiet."""
        return self._judge(entry, self.candidate(entry), timed, honest=entry.kind == "honest")

    def _judge(self, entry: Entry, candidate: Any, timed: bool, honest: bool) -> Any:
        from tilewright.candidate import Status

        noisy = {Status.UNSTABLE} | ({Status.TIMING_INCONSISTENT} if honest else set())
        for _ in range(3):
            record = self.evaluator(entry).evaluate(candidate, "certify", timed=timed)
            if record.status not in noisy:
                break
        return record

    def candidate(self, entry: Entry) -> Any:
        from tilewright.formats import load_candidate

        return load_candidate(str(entry.path), self.evaluator(entry).problem)

    def plain(self, entry: Entry) -> Any:
        """The reference, as a candidate."""
        from tilewright.candidate import Candidate

        source = entry.problem.read_text() + "\n\nModelNew = Model\n"
        return Candidate(name="plain reference", source=source, entry="ModelNew", kind="module")

    def advantage(self, entry: Entry, record: Any) -> str:
        """What a cheat that PASSED has gained over the plain reference, in words, or ""."""
        if record.measurement is None:
            return ""
        if entry.problem not in self._plain:
            self._plain[entry.problem] = self._judge(entry, self.plain(entry), timed=True, honest=True)
        usual = self._plain[entry.problem]
        assert usual.measurement is not None, f"the plain reference did not pass: {usual.verdict.detail}"
        claimed_s, usual_s = record.measurement.median_s, usual.measurement.median_s
        if claimed_s >= NO_FASTER * usual_s:
            return ""
        ratio = self._paired(entry)
        if ratio is not None and ratio >= NO_FASTER:
            return ""
        return f"{claimed_s * 1e6:.1f} us where the reference takes {usual_s * 1e6:.1f} us, paired ratio {ratio}"

    def _paired(self, entry: Entry) -> float | None:
        """The upper end of the interval of time over the reference's, taken in turns; None where one fell out."""
        candidate, plain = self.candidate(entry), self.plain(entry)
        _, comparisons = self.evaluator(entry).compare([candidate, plain], budget_s=3.0)
        found = [c for c in comparisons if (c.name, c.baseline) == (candidate.digest, plain.digest)]
        return found[0].ci_high if found else None


@contextlib.contextmanager
def court(device: str = "cpu") -> Iterator[Court]:
    made = Court(device)
    try:
        yield made
    finally:
        made.close()


def complaint(court: Court, entry: Entry, timed: bool) -> str:
    """Why the judge was wrong about `entry`, or ""."""
    record = court.judge(entry, timed)
    passed = record.passed
    said = f"{record.status}: {record.verdict.detail} (seed {court.evaluator(entry).seed})"
    if entry.kind == "honest":
        return "" if passed else f"an honest candidate is refused, {said}"
    if not passed:
        return ""
    if entry.kind == "wrong" or entry.header.get("must") == "refused":
        return f"passed, and must not: {entry.header['what']} ({said})"
    gained = court.advantage(entry, record)
    return f"a cheat passes with an advantage: {gained}" if gained else ""
