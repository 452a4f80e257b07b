"""Is it right? Truth and the reference's own error, the judge, input families, admission, and the tiers of checks.

rounding.py    spacing of a dtype, rounding, classes of non-finite values
arithmetic.py  the reference in float64, and as a plain kernel would compute it
noise.py       errors summed by row and column
limits.py      what an honest implementation may err by, and every constant
outputs.py     one output's truth
runs.py        the reference's own errors
truth.py       make_truth
judge.py       judge
families.py    the kinds of inputs
admission.py   whether a problem can tell right from wrong
cases.py       inputs with their truths, kept
verify.py      the tiers
verdict.py     the nouns that are kept
"""

from __future__ import annotations

from .admission import admit
from .cases import Case, TruthCache
from .families import FAMILIES, family_inputs
from .judge import Judgement, judge
from .truth import Truth, make_truth
from .verdict import Verdict, WorkloadVerdict
from .verify import make_truths, verify

__all__ = [
    "FAMILIES",
    "Case",
    "Judgement",
    "Truth",
    "TruthCache",
    "Verdict",
    "WorkloadVerdict",
    "admit",
    "family_inputs",
    "judge",
    "make_truth",
    "make_truths",
    "verify",
]
