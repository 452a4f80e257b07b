"""Two bounds on the time of a workload: one that rejects, one that ranks.

`hard_s` is what no correct kernel can beat, and is only used to reject a measurement. It holds for cold rows, where
nothing of the inputs is in a cache: every input byte is read once and every output byte that the last-level cache
cannot keep is written, at datasheet bandwidth; and the operations run on all units at the highest clock, in the
fastest number format that could stand in for theirs. It needs a datasheet and a cost that an author declared: a counted
cost may hold work that a better algorithm leaves out. A CPU has no datasheet bandwidth here, so it rejects nothing.

`achievable_s` is the same work at this machine's measured ceilings, the longest of these: memory, in the workload's
read:write mix and at its size; the matrix rate of the dtype; operations outside matrix units; special functions; the
cache; a link; and the launches that must follow each other, each a launch inside a CUDA graph on a GPU. They are
assumed to overlap fully. A kernel may be faster than that, and the fraction is then shown above 100 %. On a GPU, cold
rows take the rates that were measured on buffers rotated beyond the cache, where outputs are written to memory too;
matrix rates are those of a cool GPU; and float32 means float32: a workload that allows TF32 says "tf32" in its cost.

Work in phases, which cannot overlap, takes the sum of their bounds. What else is only expected, and so is in
`achievable_s` alone: whole sectors of a look-up, rows that random indices hit, operations and special functions
outside matrix units (matrix units or polynomials could do them), launches, and traffic in the cache and over links.

Quality of `achievable_s`, the worst of its phases:
- narrow   the cost is declared, one limit stands out, and every rate in it was measured;
- ok       a second limit is more than half of the first (overlap is assumed, not shown), or the call floor or work
           outside matrix units is the limit, or rows that share sectors or repeat were expected and not known, or page
           faults of freshly allocated outputs would cost more than the bound itself;
- loose    the cost was counted from the reference, or a rate is missing, from a datasheet or of a wider dtype, or the
           machine was busy with something else when it was measured, or attention is held to the traffic that is
           proven, which is several times less than known kernels need;
- vacuous  there is nothing to compute it from.
"""

from __future__ import annotations

from ..cost import Cost
from ..counting import count_cost
from ..device import Device
from ..problem import Problem, Workload
from .achievable import achievable_bound
from .hard import hard_bound
from .nouns import Bound
from .traffic import expected_traffic

__all__ = ["Bound", "bound", "cost_of", "count_cost"]


def cost_of(problem: Problem, workload: Workload, small: bool = False) -> Cost:
    """Return the cost that the problem declares; where it declares none, the cost counted from its reference, which is
    run on real data if it is `small`."""
    return problem.cost(workload) if problem.cost is not None else count_cost(problem, workload, small)


def bound(cost: Cost, device: Device, cold: bool = True) -> Bound:
    """Return both bounds of work `cost` on `device`; `cold` says that no input is in a cache when the call starts."""
    hard_s, hard_text = hard_bound(cost, device) if cold else (None, "no hard bound for warm rows")
    found = achievable_bound(cost, device, cold)
    return found.with_(
        hard_s=hard_s,
        derivation=f"{found.derivation}; {hard_text}",
        hard_derivation=hard_text,
        bytes_moved=sum(expected_traffic(phase, device).moved for phase in cost.phases or (cost,)),
        flops=sum(cost.flops.values()) + sum(cost.vector.values()),
    )
