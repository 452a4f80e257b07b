"""What the public functions answer, which is what `--json` prints. The named fields stay; more may be added."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue, SerializeAsAny

from .candidate import Status
from .schema import Noun
from .verify.evidence import Evidence
from .verify.static_screen import Suspicion
from .verify.verdict import ErrorMap, RuleCheck

PASSED = str(Status.PASSED)
SKIPPED = "SKIPPED"  # of a baseline that there is none of here
Compared = Literal["faster", "level", "slower", "unclear", "not comparable"]


class WorkloadResult(Noun):
    """The verdict on one workload and family of inputs. `error` and `allowed` are in units of the reference's own
    rounding error; `impl` names the implementation when an operator with several was checked. `margins` gives error
    over allowed for every rule, `rules` what each limit was made of, and `map` where a failing output is wrong."""

    name: str
    status: str
    error: float | None = None
    allowed: float | None = None
    detail: str = ""
    family: str = ""
    impl: str = ""
    margins: dict[str, float] = {}
    rules: tuple[RuleCheck, ...] = ()
    map: ErrorMap | None = None


class CheckTime(Noun):
    """What one call of `name` took, in seconds, with its 95 % interval: nothing stands beside it, `bench` compares.
    `state` is cold or warm (measure.nouns.Measurement), `fraction_of_bound` of the achievable one, on a machine that
    was calibrated.

    What came before is no part of it: `build_s` of compilers ahead of the child, `load_s` of importing the candidate,
    `first_s` of a module's first call on weights that it has never seen, with whatever it prepares from them."""

    name: str
    workload: str
    median_s: float
    ci_low_s: float
    ci_high_s: float
    state: str
    fraction_of_bound: float | None = None
    build_s: float = 0.0
    load_s: float = 0.0
    first_s: float | None = None


class CheckResult(Noun):
    """Whether a kernel is right. `seed` replays the inputs; `facts` are compile facts per kernel and target; `weak`
    says, after a certificate, what the problem itself cannot tell from right. `evidence` is what the verdict rests on,
    and `suspicions` what in the text deserves a look, which decides nothing."""

    status: str
    target: str
    problem: str
    device: str
    tier: str
    sandbox: str
    workloads: tuple[WorkloadResult, ...]
    detail: str = ""
    seed: int | None = None
    weak: tuple[str, ...] = ()
    facts: tuple[SerializeAsAny[Noun], ...] = ()
    evidence: Evidence | None = None
    suspicions: tuple[Suspicion, ...] = ()
    times: tuple[CheckTime, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0 if self.status == PASSED else 1


class BenchRow(Noun):
    """The time of one implementation on one workload, in seconds. `bound_s` is the achievable bound, `state` cold or
    warm, and `speedup` the time of each baseline over the time of this row, `paired` its inverse with the 95 %
    interval: (ratio of times, low, high), made in interleaved rounds. Rows that failed have no times.

    On a GPU the times are of the kernels, in the cool state; `sustained_s` is the median under continuous load,
    `energy_j` the joules per call of the whole board then, `host_s` what one call costs the host, `kernel_s` the time
    in which `kernels` ran, by CUPTI, and `clocks` the GPU's state. `eager_s` is the time of plain launches back to
    back, without a graph, and `warm_s`, on any device, of calls whose data is in a cache; `..._ci_s` are intervals.
    `warm_bound_s` and `warm_limiter` are the achievable bound of those, by the rates that this size has in caches.

    `calls` is the workload's relative number of calls, `dtype` its own, `samples_s` every sample; `limiter`,
    `bytes_moved`, `flops`, `ceilings` and `bound_derivation` are those of the bound (bound.Bound)."""

    op: str
    impl: str
    workload: str
    device: str
    median_s: float | None = None
    ci_low_s: float | None = None
    ci_high_s: float | None = None
    bound_s: float | None = None
    fraction_of_bound: float | None = None
    method: str = ""
    state: str = ""
    verified: bool = False
    speedup: dict[str, float] = {}
    status: str = PASSED
    detail: str = ""
    baseline: bool = False
    certified: bool = False
    bound_quality: str = ""
    paired: dict[str, tuple[float, float, float]] = {}
    host_s: float | None = None
    kernel_s: float | None = None
    kernels: tuple[str, ...] = ()
    sustained_s: float | None = None
    warm_s: float | None = None
    warm_ci_s: tuple[float, float] | None = None
    warm_bound_s: float | None = None
    warm_limiter: str = ""
    eager_s: float | None = None
    eager_ci_s: tuple[float, float] | None = None
    energy_j: float | None = None
    clocks: dict[str, JsonValue] | None = None
    calls: float = 1.0
    dtype: str = ""
    samples_s: tuple[float, ...] = ()
    limiter: str = ""
    bytes_moved: int = 0
    flops: int = 0
    ceilings: dict[str, float] = {}
    bound_derivation: str = ""


class Score(Noun):
    """What one implementation is worth over all workloads of its operator, of which `verified` of `workloads` passed
    and have `call_share` of the calls. `fraction_of_bound` and `speedup` are geometric means over those, weighted by
    calls; `fast_1` is the share of all workloads on which it is faster than each baseline; `sol_score` the mean over
    all against `sol_baseline`, with the achievable bound as the limit, failures as 0; `notes` explain its corners."""

    op: str
    impl: str
    workloads: int
    verified: int
    call_share: float
    fraction_of_bound: float | None = None
    speedup: dict[str, float] = {}
    fast_1: dict[str, float] = {}
    sol_score: float | None = None
    sol_baseline: str = ""
    notes: tuple[str, ...] = ()


class BenchResult(Noun):
    """Rows in the order asked for, scores over the workloads of each operator, and the environment they were measured
    in. `source_digests` are those of the operators at the time, by name (ops.source_digest), so that figures of other
    sources are known for what they are."""

    rows: tuple[BenchRow, ...]
    scores: tuple[Score, ...] = ()
    environment: dict[str, JsonValue] = {}
    source_digests: dict[str, str] = {}
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0 if all(row.verified for row in self.rows if not row.baseline) else 1


class ComparedRow(Noun):
    """One row of two stored results: the ratio of times, b over a, with the interval that both intervals allow. `why`
    says what makes the two not comparable: fields of the environment, or how they were measured."""

    op: str
    impl: str
    workload: str
    device: str
    a_s: float
    b_s: float
    ratio: float
    ci_low: float
    ci_high: float
    verdict: Compared
    why: str = ""


class ComparisonResult(Noun):
    """Two stored results side by side. `missing` names rows that only one of them has a time for, `differs` the fields
    of the environment that decide times and are not the same, as (in a, in b); `notes` say what failed or is stale."""

    a: str
    b: str
    rows: tuple[ComparedRow, ...]
    missing: tuple[str, ...] = ()
    differs: dict[str, tuple[str, str]] = {}
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where a row is slower, and where there are rows and none of them can be compared."""
        verdicts = [row.verdict for row in self.rows]
        return 1 if "slower" in verdicts or (verdicts and set(verdicts) == {"not comparable"}) else 0


class CeilingRow(Noun):
    """One ceiling of two profiles: rates in `unit`, `ratio` of rates, b over a, so that above 1 is faster, with the
    interval that the takes of both leave open; None where a profile does not say how far its takes differ."""

    name: str
    unit: str
    a: float
    b: float
    ratio: float
    ci_low: float | None = None
    ci_high: float | None = None
    verdict: Compared


class ProfileComparison(Noun):
    """Two device profiles side by side. `missing` names ceilings that only one of them has, and why; `differs` the
    fields of the fingerprint that are not the same, as (in a, in b)."""

    a: str
    b: str
    rows: tuple[CeilingRow, ...]
    missing: tuple[str, ...] = ()
    differs: dict[str, tuple[str, str]] = {}
    notes: tuple[str, ...] = ()


class Entry(Noun):
    """One line of the final table of a search, in seconds; `speedup` is over each baseline by name."""

    candidate: str
    name: str
    origin: str
    stage: str
    status: str
    median_s: float | None = None
    ci_low_s: float | None = None
    ci_high_s: float | None = None
    fraction_of_bound: float | None = None
    speedup: dict[str, float] = {}
    detail: str = ""


class OperatorResult(Noun):
    """What the library says of one operator."""

    name: str
    summary: str
    impls: tuple[str, ...]
    workloads: tuple[SerializeAsAny[Noun], ...]
    outputs: tuple[str, ...] = ()
    grads: tuple[str, ...] = ()
    documentation: str = ""


class OperatorsResult(Noun):
    """The operators of the library."""

    operators: tuple[OperatorResult, ...]


class ValidationResult(Noun):
    """Whether a problem tells right from wrong; `weaknesses` are wrong answers that it would accept, `notes` what is
    worth knowing and no fault. Of `mutants` of the reference, `mutants_tried` were tried and `mutants_rejected` were
    rejected, as all should be."""

    status: str
    problem: str
    workloads: tuple[str, ...]
    weaknesses: tuple[str, ...] = ()
    detail: str = ""
    notes: tuple[str, ...] = ()
    mutants: int = 0
    mutants_tried: int = 0
    mutants_rejected: int = 0

    @property
    def exit_code(self) -> int:
        return 0 if self.status == PASSED else 1


class ExportResult(Noun):
    """The files that a candidate was written to, in the format `to`."""

    candidate: str
    problem: str
    to: str
    files: tuple[str, ...]


class ReportResult(Noun):
    """Where the page of a run was written, and its size."""

    run: str
    path: str
    bytes: int
