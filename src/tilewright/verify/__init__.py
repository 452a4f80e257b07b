"""Is it right? Truth and the reference's own error, the judge, input families, admission, and the tiers of checks.

rounding.py    spacing of a dtype, rounding, classes of non-finite values
arithmetic.py  the reference in float64, on matrix units, and with chains of products the other way round
plain_kernel.py  the reference as a plain kernel would compute it
noise.py       errors summed by row and column
limits.py      what an honest implementation may err by, and every constant
outputs.py     one output's truth
runs.py        the reference's own errors
undetermined.py  which NaN and infinities are asked for
jumps.py       what is right beside a rounding or a comparison
truth.py       make_truth
judgement.py   what the judge says of one call
structure.py   shapes, dtypes, memory
rules.py       the numbers
judge.py       judge
domain.py      what values a problem's inputs may take
families.py    the kinds of inputs
special.py     special values: NaN, infinities, ties, zeros, large numbers, signs
admission.py   whether a problem can tell right from wrong
cases.py       inputs with their truths, kept
repeats.py     calls that repeat others
gradients.py   gradients that a candidate offers
plan.py        the calls of each tier
verify.py      the tiers
verdict.py     the nouns that are kept
"""

from __future__ import annotations

from .admission import admit
from .cases import Case, TruthCache
from .families import EVERY, FAMILIES, family_inputs
from .judge import judge
from .judgement import Judgement
from .truth import Truth, make_truth
from .verdict import Verdict, WorkloadVerdict
from .verify import make_truths, verify

__all__ = [
    "EVERY",
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
