"""What must stay flat, over the time of a leg."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.campaign_result import Leg, Resource
from harness.report import series
from harness.report.series import Point
from harness.report.words import amount, finite, number, shown

BUCKETS = 300


@dataclass(frozen=True)
class Trend:
    """A resource, drawn in 100 by 100 between `least` and `most`; texts are for people."""

    name: str
    flat: bool
    why: str
    first: str
    last: str
    least: str
    most: str
    line: str


def trends(leg: Leg) -> tuple[Trend, ...]:
    """Every resource of a leg, those that are not flat first."""
    return tuple(_trend(one) for one in sorted(leg.resources, key=lambda one: one.flat))


def _trend(one: Resource) -> Trend:
    pairs = zip(one.at_ms, one.values, strict=False)
    known = [(at, value) for at, value in pairs if finite(at) and finite(value)]
    values = [value for _, value in known]
    least, most = min(values, default=None), max(values, default=None)
    return Trend(
        name=shown(one.name, 200),
        flat=one.flat,
        why=shown(one.why),
        first=_quantity(values[0] if values else None, one.unit),
        last=_quantity(values[-1] if values else None, one.unit),
        least=_quantity(least, one.unit),
        most=_quantity(most, one.unit),
        line=_line(known),
    )


def _line(known: list[tuple[float, float]]) -> str:
    """From zero up, so that a little growth looks little."""
    values = [value for _, value in known]
    if not values:
        return ""
    begin, whole = known[0][0], known[-1][0] - known[0][0] or 1.0
    top, bottom = max(*values, 0.0), min(*values, 0.0)
    height = top - bottom or 1.0
    points = []
    for bucket in series.buckets(values, BUCKETS):
        moment = known[bucket.first + bucket.size // 2][0]
        x = min(max(100 * (moment - begin) / whole, 0.0), 100.0)
        extremes = (bucket.low, bucket.high) if bucket.size > 1 else (bucket.high,)
        points += [Point(x, 100 * (top - value) / height) for value in extremes]
    return series.line(points)


def _quantity(value: float | None, unit: str) -> str:
    if unit in ("B", "bytes"):
        return amount(value)
    return f"{number(value)} {shown(unit, 40)}".strip()
