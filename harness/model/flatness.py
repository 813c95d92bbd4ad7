"""Does a quantity grow? A trend test that a few outliers do not fool: pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

FEWEST = 6
MOST = 120  # of more samples every n-th is taken: pairs are many
WARM_UP = 0.25


def growth(at: Sequence[float], values: Sequence[float]) -> float:
    """How much it grew from the end of the warm-up to the end, by the median slope (Theil-Sen).

    0 when there are too few samples to say.
    """
    pairs = _thinned(list(zip(at, values, strict=True)))
    steady = pairs[int(len(pairs) * WARM_UP) :]
    if len(steady) < FEWEST:
        return 0.0
    slopes = [(v2 - v1) / (t2 - t1) for (t1, v1), (t2, v2) in combinations(steady, 2) if t2 > t1]
    return median(slopes) * (steady[-1][0] - steady[0][0]) if slopes else 0.0


def judge(at: Sequence[float], values: Sequence[float], allowed: float) -> tuple[bool, str]:
    """Whether it stayed flat, and why not; `allowed` is how much it may grow over the whole run."""
    if len(values) < FEWEST / (1 - WARM_UP):
        return True, "too few samples to tell"
    grew = growth(at, values)
    if grew <= allowed:
        return True, ""
    return False, f"grew by {grew:.0f} after the warm-up; {allowed:.0f} are allowed"


def _thinned(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    step = -(-len(pairs) // MOST) or 1
    return pairs[::step]
