"""How a leg's streams moved over time: a row per direction, with phases and paths behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.model.campaign_result import Case, Leg, Series
from harness.report import series, timeline
from harness.report.scales import Tick, even_marks
from harness.report.series import Bucket, Point
from harness.report.words import at, finite, shown

WIDTH = 10_000  # of every drawing of a leg, in its own units
HEIGHT = 100
BUCKETS = 40_000  # of all rows together
BUCKETS_OF_ROW = 3_000
BUCKETS_OF_OVERVIEW = 400
ROWS = 24
LEAST_STEP_MS = 0.001
NAME_MOST = 200


@dataclass(frozen=True)
class Row:
    """One direction of one stream, drawn; `full_rate` is at the top, in bytes a second.

    `overview` is the mean for a reader who sees the whole leg; empty where `mean` serves as well.
    """

    name: str
    workload: str
    full_rate: float
    band: str
    mean: str
    overview: str


@dataclass(frozen=True)
class Shade:
    """All stretches of one kind, as one path."""

    kind: str
    label: str
    path: str


@dataclass(frozen=True)
class Chart:
    """A leg's throughput; `moments` is what a reader who points at the chart is told."""

    name: str
    duration_ms: float
    rows: tuple[Row, ...]
    left_out: int
    phases: tuple[Shade, ...]
    paths: tuple[Shade, ...]
    ticks: tuple[Tick, ...]
    moments: dict[str, object]


def chart(leg: Leg) -> Chart | None:
    """The drawing of a leg; None when it has nothing that moved."""
    flows = drawable(leg)
    if not flows:
        return None
    duration = _duration(leg, flows)
    kept = sorted(flows, key=lambda one: -sum(one.received))[:ROWS]
    return Chart(
        name=leg.name,
        duration_ms=duration,
        rows=_rows([one for one in flows if one in kept], duration),
        left_out=len(flows) - len(kept),
        phases=_phases(leg.cases, duration),
        paths=_paths(leg.cases, duration),
        ticks=tuple(
            Tick(round(100 * m / duration, 2), at(m).removesuffix(".0"))
            for m in even_marks(duration)
        ),
        moments=_moments(leg, duration),
    )


def drawable(leg: Leg) -> list[Series]:
    """The series of a leg that have a place in time."""
    return [
        one
        for one in leg.series
        if one.received
        and finite(one.begin_ms)
        and finite(one.step_ms)
        and one.step_ms >= LEAST_STEP_MS
    ]


def _duration(leg: Leg, flows: Sequence[Series]) -> float:
    ends = [one.begin_ms + one.step_ms * len(one.received) for one in flows]
    ends += [case.end_ms for case in leg.cases] + [leg.seconds * 1000]
    return max([end for end in ends if finite(end)], default=0.0) or 1.0


def _rows(kept: Sequence[Series], duration: float) -> tuple[Row, ...]:
    """Rows of one workload have one scale, so that they can be compared."""
    most = {one.workload: 1.0 for one in kept}
    for one in kept:
        most[one.workload] = max(most[one.workload], max(one.received) * 1000 / one.step_ms)
    per_row = min(BUCKETS_OF_ROW, max(1, BUCKETS // len(kept)))
    return tuple(_row(one, most[one.workload], duration, per_row) for one in kept)


def _row(one: Series, full_rate: float, duration: float, most: int) -> Row:
    fine = series.buckets(one.received, most)
    coarse = series.buckets(one.received, BUCKETS_OF_OVERVIEW)

    def points(buckets: Sequence[Bucket], pick: Callable[[Bucket], float]) -> list[Point]:
        full = full_rate * one.step_ms / 1000
        middles = (one.begin_ms + one.step_ms * (b.first + b.size / 2) for b in buckets)
        places = zip(middles, map(pick, buckets), strict=True)
        return [Point(WIDTH * moment / duration, HEIGHT * (1 - v / full)) for moment, v in places]

    return Row(
        name=f"{shown(one.stream, NAME_MOST)} {shown(one.from_, 60)} → {shown(one.to, 60)}",
        workload=shown(one.workload, NAME_MOST),
        full_rate=full_rate,
        band=series.band(points(fine, lambda b: b.high), points(fine, lambda b: b.low)),
        mean=series.line(points(fine, lambda b: b.mean)),
        overview=series.line(points(coarse, lambda b: b.mean)) if coarse[0].size > 2 else "",
    )


def _phases(cases: Sequence[Case], duration: float) -> tuple[Shade, ...]:
    boxes: dict[str, list[str]] = {}
    for case in cases:
        for span in timeline.drawable(case.spans):
            kind = timeline.slug(span.name)
            boxes.setdefault(kind, []).append(_box(span.begin_ms, span.end_ms, duration))
    named = [(timeline.slug(name), name) for name in timeline.PHASES] + [("other", "other")]
    return tuple(Shade(k, label, "".join(boxes[k])) for k, label in named if k in boxes)


def _paths(cases: Sequence[Case], duration: float) -> tuple[Shade, ...]:
    boxes: dict[str, list[str]] = {}
    for stretch in timeline.stretches(cases, duration):
        for strip in timeline.STRIPS[stretch.path]:
            box = _box(stretch.begin_ms, stretch.end_ms, duration, *strip)
            boxes.setdefault(stretch.path, []).append(box)
    return tuple(Shade(path, path, "".join(of)) for path, of in sorted(boxes.items()))


def _box(
    begin_ms: float, end_ms: float, duration: float, top: int = 0, bottom: int = HEIGHT
) -> str:
    """A rectangle, by default over the whole height, wide enough to be seen."""
    begin = WIDTH * begin_ms / duration
    width = max(WIDTH * (end_ms - begin_ms) / duration, 0.5)
    return f"M{begin:.1f},{top}h{width:.1f}v{bottom - top}h-{width:.1f}z"


def _moments(leg: Leg, duration: float) -> dict[str, object]:
    cases = [case for case in leg.cases if finite(case.begin_ms) and finite(case.end_ms)]
    return {
        "duration": duration,
        "cases": [
            {
                "id": f"{leg.name}-{case.index}",
                "name": shown(case.name, NAME_MOST),
                "verdict": case.verdict,
                "begin": round(case.begin_ms, 1),
                "end": round(case.end_ms, 1),
                "spans": [
                    [shown(s.name, 60), round(s.begin_ms, 1), round(s.end_ms, 1)]
                    for s in timeline.drawable(case.spans)
                ],
            }
            for case in cases
        ],
        "paths": [
            [stretch.path, round(stretch.begin_ms, 1), round(stretch.end_ms, 1)]
            for stretch in timeline.stretches(cases, duration)
        ],
    }
