"""Where a search starts: everyone is asked for baselines and seeds, and their order of evaluation is set."""

from __future__ import annotations

from . import proposers
from .context import Context, Declined
from .history import History, Journal, Proposed

# The first baseline makes the truths that all others use, and nothing can be said without it. Seeds are cheap and may
# be the answer. The other baselines have to be beaten. Their variants are dear, and seldom the best.
FIRST, SEED, BASELINE, VARIANT, CHILD = range(5)


def propose(journal: Journal, context: Context, names: tuple[str, ...] | None, stage: proposers.Stage) -> None:
    """Write down what the proposers of `stage` offer, or why one has nothing. `names` limits who is asked for seeds,
    and, if it names a baseline, for baselines too."""
    known = proposers.names(stage)
    named = known if names is None else [n for n in known if n in names]
    for name in named if named or stage == "seed" else known:
        _ask(journal, context, name, stage)


def rank(history: History, item: Proposed) -> int:
    """The place of `item` in the order of evaluation."""
    if item.stage != "baseline":
        return SEED if item.stage == "seed" else CHILD
    baselines = [p for p in history.proposed.values() if p.stage == "baseline"]
    if baselines[0] is item:
        return FIRST
    return BASELINE if next(p for p in baselines if p.proposer == item.proposer) is item else VARIANT


def _ask(journal: Journal, context: Context, name: str, stage: proposers.Stage) -> None:
    try:
        for candidate in proposers.get(name).propose(context):
            journal.propose(candidate, stage, name)
    except Declined as reason:
        journal.write("declined", name, proposer=name, reason=f"{name}: {reason}")
    except Exception as error:  # noqa: BLE001 (a proposer at fault costs its own candidates, and the run says so)
        why = f"{name} failed: {type(error).__name__}: {error}"
        journal.write("declined", name, proposer=name, reason=why)
