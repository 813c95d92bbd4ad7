"""The stretches of a run, timed on the clock of the guest that does not move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness import clock
from harness.guests.guest import Guest
from harness.model.result import Path, Phase
from harness.traffic.oracle import Report
from harness.traffic.traffic import PROBE
from harness.traffic.watch import clock_offset_ns


@dataclass
class Stretch:
    """A phase while it is measured; times are harness nanoseconds, amounts bytes."""

    name: str
    begin_ns: int
    end_ns: int = 0
    path: Path = "none"
    network_bytes: int = 0
    downtime_ms: float | None = None


class PhaseMeter:
    """Measures phases; what the streams felt is read from their reports afterwards."""

    def __init__(self, still: Guest, others: tuple[Guest, ...]) -> None:
        self._still, self._guests = still, (still, *others)
        self.stretches: list[Stretch] = []
        self._offset_ns = clock_offset_ns(still)

    @contextmanager
    def phase(self, name: str) -> Iterator[Stretch]:
        """Measure the block as one phase."""
        before = self._tap_bytes()
        stretch = Stretch(name, clock.now_ns())
        self.stretches.append(stretch)
        yield stretch
        stretch.end_ns = clock.now_ns()
        stretch.network_bytes = max(0, self._tap_bytes() - before)

    def _tap_bytes(self) -> int:
        """Bytes at the taps of all guests. A guest that just moved starts again at zero."""
        return sum(guest.domain.network_bytes() for guest in self._guests)

    def judge(self, reports: dict[tuple[str, str], Report]) -> list[Phase]:
        """Each phase with what the still guest's ends of the streams noted in it."""
        return [self._judge_stretch(stretch, reports) for stretch in self.stretches]

    def _judge_stretch(self, stretch: Stretch, reports: dict[tuple[str, str], Report]) -> Phase:
        begin, end = stretch.begin_ns + self._offset_ns, stretch.end_ns + self._offset_ns
        felt = {
            stream: report.between(begin, end)
            for (guest, stream), report in reports.items()
            if guest == self._still.name
        }
        data = [value for stream, value in felt.items() if stream != PROBE]
        return Phase(
            name=stretch.name,
            path=stretch.path,
            seconds=round((stretch.end_ns - stretch.begin_ns) / 1e9, 3),
            bytes=sum(moved for moved, _ in data),
            longest_stall_ms=max((stall for _, stall in data), default=0.0),
            probe_stall_ms=felt.get(PROBE, (0, 0.0))[1],
            downtime_ms=stretch.downtime_ms,
            network_bytes=stretch.network_bytes,
        )
