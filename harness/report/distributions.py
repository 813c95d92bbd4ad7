"""Downtimes and stalls, each as every clock saw it, beside its baseline from the same run.

A panel takes groups of cases by name. Today a group is a leg of one run; a comparison of two runs
needs nothing but more groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.model.campaign_result import Case
from harness.report.figures import Distribution
from harness.report.scales import LogScale, Tick
from harness.report.words import finite

DOTS = 300
GOLDEN = 0.618034  # spreads neighbours evenly over the height, the same in every rendering
Pick = Callable[[Case], float | None]


@dataclass(frozen=True)
class Measure:
    """A quantity of a case in ms. A baseline is drawn apart: it is what the others are held to."""

    name: str
    pick: Pick
    baseline: bool = False


@dataclass(frozen=True)
class Group:
    """Cases that belong together."""

    name: str
    cases: Sequence[Case]


@dataclass(frozen=True)
class Dot:
    """One case; percent of the width and of the height."""

    x: float
    y: float
    bad: bool


@dataclass(frozen=True)
class Strip:
    """One measure of one group. `quartiles`, `tail` and `end` are places in percent."""

    measure: str
    group: str
    baseline: bool
    spread: Distribution
    dots: tuple[Dot, ...]
    quartiles: tuple[float, float, float] | None
    tail: float | None
    end: float | None


@dataclass(frozen=True)
class Panel:
    """Strips that share one axis."""

    title: str
    note: str
    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]


PROBE = Measure("plain TCP beside the streams", lambda case: case.probe_stall_ms, baseline=True)
DOWNTIME = (
    Measure("QEMU's own figure", lambda case: case.downtime_qemu_ms),
    Measure("libvirt's figure", lambda case: case.downtime_libvirt_ms),
    Measure("a client's gap", lambda case: case.downtime_client_ms),
    PROBE,
)
STALL = (Measure("longest stall of our streams", lambda case: case.longest_stall_ms), PROBE)


def panels(groups: Sequence[Group]) -> tuple[Panel, ...]:
    """Both panels; one that has no figure at all is left out."""
    made = (
        _panel(
            "Downtime", "how long the moving guest stood still, by three clocks", DOWNTIME, groups
        ),
        _panel("Stalls", "the longest gap that a stream felt in each case", STALL, groups),
    )
    return tuple(p for p in made if any(s.spread.values and not s.baseline for s in p.strips))


def _panel(title: str, note: str, measures: Sequence[Measure], groups: Sequence[Group]) -> Panel:
    pairs = [(measure, group) for measure in measures for group in groups]
    spreads = [Distribution.of(map(measure.pick, group.cases)) for measure, group in pairs]
    scale = LogScale.over(value for spread in spreads for value in spread.values)
    strips = (_strip(*pair, spread, scale) for pair, spread in zip(pairs, spreads, strict=True))
    return Panel(title, note, tuple(strips), scale.ticks())


def _strip(measure: Measure, group: Group, spread: Distribution, scale: LogScale) -> Strip:
    quarters = [spread.percentile(p) for p in (25, 50, 75)]
    places = [scale.percent(q) for q in quarters if q is not None]
    return Strip(
        measure=measure.name,
        group=group.name,
        baseline=measure.baseline,
        spread=spread,
        dots=_dots(measure.pick, group.cases, scale),
        quartiles=(places[0], places[1], places[2]) if places else None,
        tail=None if spread.p99 is None else scale.percent(spread.p99),
        end=None if spread.most is None else scale.percent(spread.most),
    )


def _dots(pick: Pick, cases: Sequence[Case], scale: LogScale) -> tuple[Dot, ...]:
    """Every case while there are few; of many, the slowest and an even choice of the others."""
    known = [(value, case) for case in cases if finite(value := pick(case)) and value is not None]
    known.sort(key=lambda pair: -pair[0])
    slowest, others = known[: DOTS // 3], known[DOTS // 3 :]
    step = max(1, -(-len(others) // (DOTS - DOTS // 3)))
    chosen = [*slowest, *others[::step]]
    return tuple(
        Dot(
            x=scale.percent(value),
            y=round(20 + 60 * (n * GOLDEN % 1)),
            bad=case.verdict in ("fail", "broken"),
        )
        for n, (value, case) in enumerate(chosen)
    )
