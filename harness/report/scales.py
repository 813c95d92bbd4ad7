"""From measured values to places on an axis, in percent of its length."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEAST_MS = 1.0  # what is shorter is drawn at the left edge
STEPS_MS = (
    *(50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, 3_600_000),
)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    percent: float
    label: str


@dataclass(frozen=True)
class LogScale:
    """Decades between two powers of ten."""

    low_power: int
    high_power: int

    @classmethod
    def over(cls, values: Iterable[float]) -> LogScale:
        """The decades that hold these values."""
        known = [max(value, LEAST_MS) for value in values]
        low = math.floor(math.log10(min(known, default=LEAST_MS)))
        high = math.ceil(math.log10(max(known, default=LEAST_MS)))
        return cls(low, max(high, low + 1))

    def percent(self, value: float) -> float:
        """Where a value is drawn; what is below the axis sticks to its left edge."""
        power = math.log10(max(value, 10.0**self.low_power))
        share = (power - self.low_power) / (self.high_power - self.low_power)
        return round(100 * min(share, 1.0), 2)

    def ticks(self) -> tuple[Tick, ...]:
        """Every decade; between few decades also 2 and 5."""
        powers = range(self.low_power, self.high_power + 1)
        parts = (1, 2, 5) if len(powers) <= 3 else (1,)
        every = (part * 10.0**power for power in powers for part in parts)
        inside = (value for value in every if value <= 10.0**self.high_power)
        return tuple(Tick(self.percent(value), plain(value)) for value in inside)


def plain(ms: float) -> str:
    """Milliseconds, or seconds where those are shorter: 20, 500, 1 s, 1e+09 s."""
    return f"{ms:g}" if ms < 1000 else f"{ms / 1000:g} s"


def even_marks(length: float, about: int = 8) -> tuple[float, ...]:
    """Round points of time between 0 and `length` ms, some `about` of them."""
    step = next((s for s in STEPS_MS if length / s <= about), STEPS_MS[-1])
    step *= max(1, math.ceil(length / step / about))
    return tuple(step * n for n in range(int(length // step) + 1))
