"""Is a machine good enough? Pure: from the figures of one short run to a verdict on each.

The limits are those of use, not of speed: beyond them a testbed works badly, whatever runs in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.result import Summary

MIB = 1 << 20


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, and what it must be: at most `limit`, or at least."""

    name: str
    value: float
    unit: str
    limit: float
    at_most: bool = True

    @property
    def good(self) -> bool:
        """Whether it is on the right side of its limit."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    @property
    def wanted(self) -> str:
        """The limit, for people."""
        return f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"

    @property
    def found(self) -> str:
        """The value, for people."""
        digits = 0 if self.value >= 100 else 1
        return f"{self.value:.{digits}f} {self.unit}"


def figures(summary: Summary, mapping_mib: float) -> Iterator[Figure]:
    """What a run and one measurement beside it (MiB/s of a mapped region) say of a machine."""
    yield Figure("region mapping on the host", mapping_mib, "MiB/s", 200, at_most=False)
    if summary.boot_ms:
        yield Figure("boot of a guest", max(summary.boot_ms.values()) / 1000, "s", 60)
    moves = summary.migrations
    if moves:
        plugged = [move.attach_ms for move in moves if move.attach_ms]
        unplugged = [move.detach_ms for move in moves if move.detach_ms]
        yield Figure("ivshmem hot-plug, two guests", max(plugged, default=0.0), "ms", 10_000)
        yield Figure("ivshmem unplug, two guests", max(unplugged, default=0.0), "ms", 10_000)
        yield Figure("live migration, libvirt's call", max(m.call_ms for m in moves), "ms", 30_000)
        yield Figure("its downtime", max(m.downtime_ms for m in moves), "ms", 2_000)
    for path, name in (("shm", "streams on the ring, loaded"), ("tcp", "streams on TCP, loaded")):
        phases = [phase for phase in summary.phases if phase.path == path]
        seconds = sum(phase.seconds for phase in phases)
        if seconds:
            rate = sum(phase.bytes for phase in phases) / seconds / MIB
            yield Figure(name, rate, "MiB/s", 1, at_most=False)
