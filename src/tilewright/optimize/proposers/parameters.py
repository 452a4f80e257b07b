"""A parent with other settings written into its text: how a strategy's points become candidates."""

from __future__ import annotations

from collections.abc import Iterable

from ...candidate import Candidate
from ..context import Context

STAGE = "child"
RANK = 0


def propose(context: Context) -> Iterable[Candidate]:
    for parent, item in context.work:
        changed = [f"{name}={value}" for name, value in item.settings.items() if parent.params.get(name) != value]
        name = " ".join([parent.name, *changed])
        yield parent.with_params(item.settings).with_(parents=(parent.digest,), name=name)
