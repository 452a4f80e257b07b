"""How fast? Timers, statistics, paired comparison.

stats.py     medians and intervals; pure functions of samples
nouns.py     Measurement and Comparison
pace.py      how blocks are cut and paused, on a CPU and on a GPU
clock.py     one candidate: blocks of timed calls, cross-checked by the parent's clock
gpu.py       clocks and kernels of a GPU
modes.py     calls in a warm cache, plain launches, a GPU under load
energy.py    the power of a GPU, from its counter of energy
timers.py    how far the ways to time a GPU kernel lie apart: a self-test
paired.py    several candidates: interleaved rounds, ratios with intervals
"""

from .clock import measure
from .nouns import Comparison, Measurement
from .pace import Effort
from .paired import compare

__all__ = ["Comparison", "Effort", "Measurement", "compare", "measure"]
