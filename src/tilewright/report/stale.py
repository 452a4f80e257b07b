"""What of recorded results no longer holds: sources that changed since, and versions that are others here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ..device import DeviceUnavailable, detect, environment
from ..optimize.result import source_digest

_VERSIONS = ("tilewright", "torch", "triton", "driver", "runtime")


def stale(recorded: Mapping[str, Any], digests: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every source in `digests` (by operator or generator) that is not what it was, and for every
    version in the environment `recorded` that is another here, if this machine has that device at all."""
    arch = str(recorded.get("device_arch", ""))
    for name, digest in digests.items():
        try:
            now = source_digest(name, arch)
        except KeyError:
            yield f"{name} is not in this version any more"
            continue
        if now != digest:
            yield f"the sources of {name} have changed since: measure it again"
    here = _here(str(recorded.get("device_kind", "cpu")))
    if not recorded.get("device") or here.get("device") != recorded.get("device"):
        return
    for field in _VERSIONS:
        if recorded.get(field) and here.get(field) and recorded[field] != here[field]:
            yield f"{field} was {recorded[field]} and is {here[field]} here"


@cache
def _here(kind: str) -> dict[str, Any]:
    """The environment of this machine's device of `kind`; empty if it has none."""
    try:
        return environment(detect(kind if kind in ("cpu", "cuda") else "cpu"))
    except DeviceUnavailable:
        return {}
