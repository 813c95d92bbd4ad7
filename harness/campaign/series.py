"""How every direction of every stream moved, in equal steps of the leg's time."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.campaign_result import Series
from harness.traffic.burden import End
from harness.traffic.lines import Line

MOST_STEPS = 2000
FIRST_STEP_MS = 250.0


class SeriesBook:
    """Gathers samples. A guest's clock is mapped by its offset when it was last known; so what
    a guest received just after it was paused may be told early, by as long as it was paused.
    """

    def __init__(self, begun_ns: int) -> None:
        self._begun_ns = begun_ns
        self._received: dict[tuple[str, str, str, str], list[tuple[float, int]]] = {}

    def add(self, ends: Sequence[End], offsets_ns: dict[str, int]) -> None:
        """The samples of one look; the first of each end is the last one of the look before."""
        for end in ends:
            key = _direction(end.line, end.guest.name)
            if key is None:
                continue
            gained = self._received.setdefault(key, [])
            for before, sample in zip(end.samples, end.samples[1:], strict=False):
                at_ns = sample.monotonic_ns - offsets_ns[end.guest.name] - self._begun_ns
                gained.append((at_ns / 1e6, sample.verified - before.verified))

    def series(self, length_ms: float) -> tuple[Series, ...]:
        """One series for each direction, all with the same steps."""
        step_ms = FIRST_STEP_MS
        while length_ms / step_ms > MOST_STEPS:
            step_ms *= 2
        return tuple(
            Series(
                stream=name,
                from_=source,
                to=sink,
                workload=kind,
                begin_ms=0.0,
                step_ms=step_ms,
                received=steps(gained, step_ms, length_ms),
            )
            for (name, source, sink, kind), gained in self._received.items()
        )


def steps(gained: Sequence[tuple[float, int]], step_ms: float, length_ms: float) -> tuple[int, ...]:
    """Sums of what was gained in each step; what lies outside counts at the edge."""
    sums = [0] * (int(length_ms / step_ms) + 1)
    for at_ms, amount in gained:
        sums[min(max(int(at_ms / step_ms), 0), len(sums) - 1)] += amount
    return tuple(sums)


def _direction(line: Line, guest: str) -> tuple[str, str, str, str] | None:
    """The direction whose received bytes the end in that guest counts."""
    for source, sink in line.directions:
        if guest == sink or line.ends == (guest,):
            return line.name, source, sink, line.kind
    return None
