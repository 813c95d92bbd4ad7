"""Distributions of what was measured. A percentile is a value that was really measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.words import finite


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest rank in ascending values: the least that `percent` of them do not exceed."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]


@dataclass(frozen=True)
class Distribution:
    """Measured values, ascending, and how many could not be measured."""

    values: tuple[float, ...]
    missing: int = 0

    @classmethod
    def of(cls, measured: Iterable[float | None]) -> Distribution:
        """What is missing, NaN or endless is counted, not shown as a figure."""
        every = tuple(measured)
        known = sorted(value for value in every if value is not None and finite(value))
        return cls(tuple(known), len(every) - len(known))

    def percentile(self, percent: int) -> float | None:
        """None when nothing was measured."""
        return percentile(self.values, percent) if self.values else None

    @property
    def p50(self) -> float | None:
        """The median."""
        return self.percentile(50)

    @property
    def p99(self) -> float | None:
        """Of fewer than a hundred values this is the greatest."""
        return self.percentile(99)

    @property
    def most(self) -> float | None:
        """The greatest."""
        return self.percentile(100)
