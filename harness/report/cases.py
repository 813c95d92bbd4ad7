"""The table of cases: a row each, and what unfolds below it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.campaign_result import Case, Leg
from harness.report import series, throughput, timeline
from harness.report.series import Point
from harness.report.words import at, finite, shown

SPARK_POINTS = 100
FINDINGS_MOST = 50
NO_BREAK = "\N{NO-BREAK SPACE}"
SIGNS = {"pass": "✓", "fail": "✗", "refused": "⊘", "broken": "!"}


@dataclass(frozen=True)
class Bar:
    """A span of a case, in percent of the case's time."""

    name: str
    kind: str
    ms: float
    x: float
    width: float


@dataclass(frozen=True)
class Row:
    """A case with everything that the templates say of it."""

    id: str
    leg: str
    case: Case
    name: str
    scenario: str
    modes: tuple[str, ...]
    took_ms: float
    moves: str
    bars: tuple[Bar, ...]
    spark: str
    spark_rate: float
    findings: tuple[str, ...]
    findings_left_out: int

    @property
    def sign(self) -> str:
        """The verdict for those who do not see its colour."""
        return SIGNS[self.case.verdict]

    @property
    def began(self) -> str:
        """When, on the leg's clock."""
        return at(self.case.begin_ms)


class Flow:
    """What the streams of a leg received together; of unlike steps only the finest are summed."""

    def __init__(self, leg: Leg) -> None:
        flows = throughput.drawable(leg)
        self.step_ms = min((one.step_ms for one in flows), default=0.0)
        alike = [one for one in flows if one.step_ms == self.step_ms]
        sums: dict[int, int] = {}
        for one in alike:
            first = round(one.begin_ms / self.step_ms)
            for n, received in enumerate(one.received):
                sums[first + n] = sums.get(first + n, 0) + received
        self.ends = [(n + 1) * self.step_ms for n in sorted(sums)]
        self.amounts = [sums[n] for n in sorted(sums)]

    def between(self, begin_ms: float, end_ms: float) -> list[tuple[float, int]]:
        """The steps that end in a stretch: the end of each, and its bytes."""
        first, last = bisect_right(self.ends, begin_ms), bisect_right(self.ends, end_ms)
        return list(zip(self.ends[first:last], self.amounts[first:last], strict=True))


def rows(legs: Sequence[Leg]) -> list[Row]:
    """Every case of every leg, the slowest first."""
    found = [row for leg in legs for row in _rows(leg)]
    return sorted(found, key=lambda row: -row.took_ms if finite(row.took_ms) else 0.0)


def _rows(leg: Leg) -> Iterator[Row]:
    flow = Flow(leg)
    for case in leg.cases:
        spark, full_rate = _spark(case, flow)
        yield Row(
            id=f"{leg.name}-{case.index}",
            leg=leg.name,
            case=case,
            name=shown(case.name, 300),
            scenario=shown(case.scenario, 100),
            modes=tuple(shown(mode, 100) for mode in case.modes[:20]),
            took_ms=case.end_ms - case.begin_ms,
            moves=", ".join(
                shown(f"{m.guest} {m.source}→{m.destination}", 100).replace(" ", NO_BREAK)
                for m in case.migrations[:20]
            ),
            bars=_bars(case),
            spark=spark,
            spark_rate=full_rate,
            findings=tuple(shown(text) for text in case.findings[:FINDINGS_MOST]),
            findings_left_out=max(0, len(case.findings) - FINDINGS_MOST),
        )


def _bars(case: Case) -> tuple[Bar, ...]:
    whole = case.end_ms - case.begin_ms
    if not finite(whole) or whole <= 0:
        return ()
    return tuple(
        Bar(
            name=shown(span.name, 60),
            kind=timeline.slug(span.name),
            ms=span.end_ms - span.begin_ms,
            x=_percent(span.begin_ms - case.begin_ms, whole),
            width=max(0.4, _percent(span.end_ms - span.begin_ms, whole)),
        )
        for span in timeline.drawable(case.spans)[:40]
    )


def _percent(part: float, whole: float) -> float:
    return round(min(max(100 * part / whole, 0.0), 100.0), 2)


def _spark(case: Case, flow: Flow) -> tuple[str, float]:
    """What was received while the case ran, as a path of 100 by 100; and the rate at its top."""
    whole = case.end_ms - case.begin_ms
    if not finite(whole) or whole <= 0:
        return "", 0.0
    steps = flow.between(case.begin_ms, case.end_ms)
    full = max((received for _, received in steps), default=0)
    if len(steps) < 2 or not full:
        return "", 0.0
    points = []
    for bucket in series.buckets([received for _, received in steps], SPARK_POINTS // 2):
        middle = steps[bucket.first + bucket.size // 2][0] - flow.step_ms / 2
        x = _percent(middle - case.begin_ms, whole)
        extremes = (bucket.high, bucket.low) if bucket.size > 1 else (bucket.high,)
        points += [Point(x, 100 * (1 - value / full)) for value in extremes]
    return series.line(points), full * 1000 / flow.step_ms


def sort_value(value: float | None) -> str:
    """A number for the sorting script; nothing for what was not measured."""
    return repr(round(value, 3)) if value is not None and finite(value) else ""
