"""What a device does per second: as its profile measured it, or as its datasheet says."""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import units
from ..device import Device, Peaks, Profile, rate_at
from .dtypes import WIDER, family
from .traffic import Traffic

_PACKED = ("bfloat16", "float16")  # two to a register: twice the operations of float32 outside matrix units


@dataclass(frozen=True)
class Rates:
    """`matrix` by dtype (flop/s); `special_per_s`, `cache_bytes_per_s` and `call_s` where known; `links` by name."""

    profile: Profile | None
    matrix: dict[str, float]
    memory_bytes_per_s: float = 0.0
    special_per_s: float | None = None
    cache_bytes_per_s: float | None = None
    links: dict[str, float] = field(default_factory=dict)
    call_s: float | None = None
    in_graph: bool = False

    @classmethod
    def of(cls, device: Device) -> Rates | None:
        """Those of the profile, else of the datasheet, else None."""
        if device.profile is not None:
            return cls._measured(device.profile)
        return cls._of_datasheet(device.peaks) if device.peaks is not None else None

    @classmethod
    def _measured(cls, profile: Profile) -> Rates:
        return cls(
            profile=profile,
            matrix=profile.matrix,
            special_per_s=profile.special_per_s,
            cache_bytes_per_s=max(rate for _, rate in (*profile.copy, *profile.read)),
            links=profile.links,
            call_s=profile.graph_launch_s or profile.call_s,
            in_graph=profile.graph_launch_s is not None,
        )

    @classmethod
    def _of_datasheet(cls, peaks: Peaks) -> Rates:
        return cls(profile=None, matrix=peaks.flops, memory_bytes_per_s=peaks.bytes_per_s)

    def matrix_rate(self, dtype: str) -> tuple[float | None, str]:
        """The rate of products of `dtype`, or of a wider dtype where that is faster, and whose rate it is."""
        own = family(dtype)
        names = [n for n in (own, *WIDER.get(own, ())) if n in self.matrix]
        if not names:
            return None, own
        best = max(names, key=self.matrix.__getitem__)
        return self.matrix[best], best

    def vector_rate(self, dtype: str) -> float | None:
        """The rate of `dtype` outside matrix units, from that of float32 products, which are made there; float64 from
        its own, which may include matrix units."""
        if dtype == "float64":
            return self.matrix.get("float64")
        single = self.matrix.get("float32")
        return single * (2 if dtype in _PACKED else 1) if single else None

    def memory_time(self, traffic: Traffic, cold: bool) -> tuple[float, str]:
        """Seconds to move the bytes: as many as possible as a copy, the rest as reads or as writes alone."""
        if self.profile is None:
            rate = self.memory_bytes_per_s
            return traffic.moved / rate, f"{traffic.text}, at {units.bandwidth(rate)}"
        both = min(traffic.read, traffic.written)
        copy, read, write, size = self.profile.copy, self.profile.read, self.profile.write, traffic.moved
        if cold and self.profile.cold_copy and self.profile.cold_read and self.profile.cold_write:
            copy, read, write = self.profile.cold_copy, self.profile.cold_read, self.profile.cold_write
        elif cold:  # curves of one buffer show memory only where it is larger than every cache
            size = max(traffic.moved, copy[-1][0])
        parts = (
            (2 * both, rate_at(copy, size), "copy"),
            (traffic.read - both, rate_at(read, size), "read"),
            (traffic.written - both, rate_at(write, size), "write"),
        )
        rates = ", ".join(f"{name} {units.bandwidth(rate)}" for count, rate, name in parts if count)
        return sum(count / rate for count, rate, _ in parts), f"{traffic.text} at {rates or 'no traffic'}"
