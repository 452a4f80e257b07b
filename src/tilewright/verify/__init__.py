"""Is it right? Truth and the reference's own error, the judge, input families, admission, and the tiers of checks.

rounding.py    spacing of a dtype, rounding, classes of non-finite values
arithmetic.py  the reference in float64, and as a plain kernel would compute it
noise.py       errors summed by row and column
limits.py      what an honest implementation may err by, and every constant
truth.py       make_truth
judge.py       judge
families.py    the kinds of inputs
admission.py   whether a problem can tell right from wrong
verify.py      the tiers
verdict.py     the nouns that are kept
"""

from __future__ import annotations
