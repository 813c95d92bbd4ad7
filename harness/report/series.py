"""Long series made short without hiding what matters: every bucket keeps its extremes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Bucket(NamedTuple):
    """Neighbouring values of a series: from index `first` on, `size` of them."""

    first: int
    size: int
    low: float
    mean: float
    high: float


class Point(NamedTuple):
    """A place in a drawing."""

    x: float
    y: float


def buckets(values: Sequence[float], most: int) -> list[Bucket]:
    """At most `most` buckets of equally many neighbours; the last one may hold fewer."""
    size = max(1, -(-len(values) // most))
    parts = ((at, values[at : at + size]) for at in range(0, len(values), size))
    return [
        Bucket(at, len(part), min(part), sum(part) / len(part), max(part)) for at, part in parts
    ]


def line(points: Sequence[Point]) -> str:
    """An SVG path through the points; empty for none."""
    return "M" + "L".join(f"{_short(p.x)},{_short(p.y)}" for p in points) if points else ""


def band(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """The area between two lines: the upper one, then the lower one backwards."""
    return line([*upper, *reversed(lower)]) + "Z" if upper else ""


def _short(value: float) -> str:
    """A coordinate in as few characters as a drawing needs."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text
