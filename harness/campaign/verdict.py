"""From the legs to the run's verdict and its figures: pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median, quantiles

from harness.model.campaign import Limits
from harness.model.campaign_result import Case, Leg
from harness.model.result import Stream

BAD = ("fail", "broken")


def failed(leg: Leg) -> list[Case]:
    """The cases that did not end as they had to."""
    return [case for case in leg.cases if case.verdict in BAD]


def findings(legs: Sequence[Leg], limits: Limits) -> list[str]:
    """Every promise that did not hold, each as a sentence."""
    return [
        *(
            f"{leg.name}: case {c.index}: {f}"
            for leg in legs
            for c in failed(leg)
            for f in c.findings
        ),
        *(f"{leg.name}: {_lost(s)}" for leg in legs for s in leg.streams if not s.clean),
        *(
            f"{leg.name}: {resource.name} {resource.why}"
            for leg in legs
            for resource in leg.resources
            if not resource.flat and limits.resources == "flat"
        ),
    ]


def damage(legs: Sequence[Leg]) -> list[str]:
    """What was wrong with bytes that did arrive, of a run that ended early."""
    return [
        f"{leg.name}: {_lost(s)}"
        for leg in legs
        for s in leg.streams
        if s.duplicated or s.reordered or s.corrupted
    ]


def figures(legs: Sequence[Leg]) -> dict[str, float]:
    """What is compared from run to run: of each leg, times in milliseconds."""
    found: dict[str, float] = {}
    for leg in legs:
        moves = [migration for case in leg.cases for migration in case.migrations]
        found[f"{leg.name}.migrations"] = len(moves)
        found[f"{leg.name}.bytes_verified"] = sum(s.bytes_verified for s in leg.streams)
        found[f"{leg.name}.bytes_lost"] = sum(s.lost for s in leg.streams)
        found[f"{leg.name}.seconds"] = leg.seconds
        found |= _distribution(f"{leg.name}.total_ms", [m.total_ms for m in moves])
        found |= _distribution(f"{leg.name}.own_ms", [m.own_ms for m in moves])
        found |= _distribution(f"{leg.name}.downtime_ms", [m.downtime_ms for m in moves])
        stalls = [c.longest_stall_ms for c in leg.cases if c.longest_stall_ms is not None]
        found |= _distribution(f"{leg.name}.stall_ms", stalls)
    return found


def _distribution(name: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    p99 = quantiles(values, n=100)[98] if len(values) > 1 else values[0]
    parts = {"p50": median(values), "p99": min(p99, max(values)), "max": max(values)}
    return {f"{name}.{part}": round(value, 1) for part, value in parts.items()}


def _lost(s: Stream) -> str:
    return (
        f"stream {s.name} {s.from_}→{s.to}: {s.bytes_verified} of {s.bytes_sent} bytes verified, "
        f"{s.lost} lost, {s.duplicated} duplicated, {s.reordered} reordered, "
        f"{s.corrupted} corrupted"
    )
