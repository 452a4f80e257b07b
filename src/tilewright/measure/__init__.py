"""How fast? Timers, statistics, paired comparison.

stats.py     medians and intervals; pure functions of samples
nouns.py     Measurement and Comparison
clock.py     one candidate: blocks of timed calls, cross-checked by the parent's clock
paired.py    several candidates: interleaved rounds, ratios with intervals
"""

from .clock import Effort, measure
from .nouns import Comparison, Measurement
from .paired import compare

__all__ = ["Comparison", "Effort", "Measurement", "compare", "measure"]
