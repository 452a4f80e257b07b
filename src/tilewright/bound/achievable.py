"""The bound that ranks: the work at this machine's measured ceilings, phase after phase."""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import units
from ..cost import Cost, Phase
from ..device import Device, Profile, rate_at
from .dtypes import family
from .nouns import QUALITIES, Bound, Limiter, Quality
from .rates import Rates
from .traffic import SECTOR_BYTES, Traffic, expected_traffic

_BUSY_LOAD = 0.5  # other runnable processes, on average, above which measured ceilings may be too low


@dataclass
class _Part:
    """The limits of one phase (s), how each was made, and the best quality that it can have."""

    terms: dict[Limiter, float] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    quality: Quality = "narrow"

    @property
    def limiter(self) -> Limiter:
        return max(self.terms, key=self.terms.__getitem__)

    @property
    def seconds(self) -> float:
        return self.terms[self.limiter]

    def add(self, name: Limiter, seconds: float, text: str) -> None:
        self.terms[name] = self.terms.get(name, 0.0) + seconds
        self.texts.append(text)

    def lower(self, quality: Quality, text: str = "") -> None:
        self.quality = _worse(self.quality, quality)
        if text:
            self.texts.append(text)


def achievable_bound(cost: Cost, device: Device, cold: bool) -> Bound:
    """Return the achievable bound of `cost`, without the hard one."""
    rates = Rates.of(device)
    if rates is None:
        return Bound(derivation="this device was never measured: run `tilewright device --calibrate`")
    parts: list[_Part] = []
    moved = 0
    for phase in cost.phases or (cost,):
        traffic = expected_traffic(phase, device)
        # What the phases before moved is still in the cache where all of it fits.
        warm = not cold or (bool(parts) and moved + traffic.moved <= device.cache_bytes)
        parts.append(_part(phase, traffic, device, rates, not warm))
        moved += traffic.moved
    total_s = sum(p.seconds for p in parts)
    if not total_s:
        return Bound(derivation="the cost holds no work that a datasheet has a rate for")
    return _combined(cost, device, rates, parts, total_s, moved)


def _combined(cost: Cost, device: Device, rates: Rates, parts: list[_Part], total_s: float, moved: int) -> Bound:
    terms: dict[Limiter, float] = {}
    shares: dict[Limiter, float] = {}
    for part in parts:
        shares[part.limiter] = shares.get(part.limiter, 0.0) + part.seconds
        for name, seconds in part.terms.items():
            terms[name] = terms.get(name, 0.0) + seconds
    texts, quality = _joined(parts), parts[0].quality
    for part in parts:
        quality = _worse(quality, _worse(part.quality, _overlap_quality(part)))
    fresh_s = None
    if rates.profile is not None:
        fresh_s, notes, about = _state_of(rates.profile, cost, total_s)
        texts, quality = [*texts, *notes], _worse(quality, about)
    if cost.quality == "counted" or rates.profile is None:
        quality = _worse(quality, "loose")
    where = f" at datasheet rates ({device.peaks.name})" if rates.profile is None and device.peaks else ""
    return Bound(
        achievable_s=total_s,
        limiter=max(shares, key=shares.__getitem__),
        quality=quality,
        derivation=f"{cost.quality} cost{where}; " + "; ".join(texts),
        terms=terms,
        fresh_s=fresh_s,
        ceilings=_ceilings(rates, moved, terms.get("memory", 0.0)),
    )


def _joined(parts: list[_Part]) -> list[str]:
    if len(parts) == 1:
        return parts[0].texts
    return [
        f"phase {i} of {len(parts)} {units.seconds(p.seconds)} ({p.limiter}): {', '.join(p.texts)}"
        for i, p in enumerate(parts, 1)
    ]


def _part(phase: Phase, traffic: Traffic, device: Device, rates: Rates, cold: bool) -> _Part:
    part = _Part()
    seconds, text = rates.memory_time(traffic, cold)
    part.add("memory", seconds, f"memory {units.seconds(seconds)} = {text}")
    if traffic.beyond:
        part.lower("loose")  # the kernels that are known move several times the proven traffic
    if any(g.moved_bytes(SECTOR_BYTES[device.kind]) != g.least_bytes for g in phase.gathers):
        part.lower("ok")  # which rows share a sector, or repeat, was expected and not known
    _add_operations(part, phase, rates)
    _add_tiers(part, phase, rates)
    if rates.call_s is not None and phase.launches:
        floor = "one call" if not rates.in_graph else "one launch in a graph"
        if phase.launches > 1:
            floor = f"{phase.launches} {'launches in a graph' if rates.in_graph else 'calls'}"
        part.add("call", phase.launches * rates.call_s, f"{floor} {units.seconds(phase.launches * rates.call_s)}")
    return part


def _add_operations(part: _Part, phase: Phase, rates: Rates) -> None:
    for dtype, flops in phase.flops.items():
        rate, of = rates.matrix_rate(dtype)
        work = f"{units.operations(flops)} {dtype}"
        if rate is None or of != family(dtype):
            part.lower("loose", f"no rate is known for {work}" if rate is None and flops else "")
        if rate and flops:
            part.add("compute", flops / rate, f"{work} at {units.operations(rate, 'flop/s')} ({of} products)")
    for dtype, flops in phase.vector.items():
        rate = rates.vector_rate(dtype)
        work = f"{units.operations(flops)} {dtype} outside matrix units"
        if rate and flops:
            part.add("vector", flops / rate, f"{work} at {units.operations(rate, 'flop/s')}")
        elif flops:
            part.lower("loose", f"no rate is known for {work}")
    if phase.special and rates.special_per_s:
        rate_text = units.operations(rates.special_per_s, "op/s")
        text = f"{units.operations(phase.special, 'op')} special functions at {rate_text}"
        part.add("special", phase.special / rates.special_per_s, text)


def _add_tiers(part: _Part, phase: Phase, rates: Rates) -> None:
    """Traffic that is not memory's: the longest link limits, as links work beside each other."""
    link_s = 0.0
    for tier, count in phase.tiers.items():
        rate = rates.cache_bytes_per_s if tier == "cache" else rates.links.get(tier)
        if rate is None:
            part.lower("loose", f"no rate is known for {units.byte_count(count)} {tier}")
            continue
        part.texts.append(
            f"{tier} {units.seconds(count / rate)} = {units.byte_count(count)} at {units.bandwidth(rate)}"
        )
        if tier == "cache":
            part.terms["cache"] = count / rate
        else:
            link_s = part.terms["link"] = max(link_s, count / rate)


def _state_of(profile: Profile, cost: Cost, total_s: float) -> tuple[float | None, list[str], Quality]:
    """What fresh outputs cost beside the bound, and what the profile's own state says of its trust."""
    notes: list[str] = []
    quality: Quality = "narrow"
    fresh_s = cost.bytes_written / rate_at(profile.fresh_write, cost.bytes_written) if profile.fresh_write else None
    if fresh_s and fresh_s > total_s:
        quality = "ok"
        notes.append(f"not in the bound: page faults of fresh outputs, {units.seconds(fresh_s)}")
    if profile.load > _BUSY_LOAD:
        quality = "loose"
        others = "used the GPU" if profile.graph_launch_s else f"kept {profile.load:.1f} cores busy"
        notes.append(f"measured while others {others}: calibrate again")
    return fresh_s, notes, quality


def _overlap_quality(part: _Part) -> Quality:
    second = max((s for name, s in part.terms.items() if name != part.limiter), default=0.0)
    return "ok" if second > 0.5 * part.seconds or part.limiter in ("call", "vector") else "narrow"


def _worse(one: Quality, other: Quality) -> Quality:
    return max(one, other, key=QUALITIES.index)


def _ceilings(rates: Rates, moved: int, memory_s: float) -> dict[str, float]:
    if rates.profile is None:
        return {"memory": rates.memory_bytes_per_s, **rates.matrix}
    slowest = moved / memory_s if memory_s else rates.profile.copy[-1][1]
    fastest = max(rate for _, rate in rates.profile.copy)
    return {"memory": slowest, **({"cache": fastest} if fastest > slowest else {}), **rates.matrix}
