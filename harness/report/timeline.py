"""Phases of migrations on the time axis, and the path that was taken between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.model.campaign_result import Case, Span
from harness.model.result import Path
from harness.report.words import finite

PHASES = ("handover out", "unplug", "migrate", "plug", "handover back")


# How high each path's strip is drawn, in parts of 100: no two look alike, whatever their colours.
# The relay, which goes by two hosts, is a double line.
STRIPS: dict[Path, tuple[tuple[int, int], ...]] = {
    "shm": ((0, 100),),
    "tcp": ((34, 66),),
    "relay": ((0, 30), (70, 100)),
    "none": (),
}


@dataclass(frozen=True)
class Stretch:
    """A stretch of time on one path; milliseconds."""

    path: Path
    begin_ms: float
    end_ms: float


def slug(name: str) -> str:
    """The style of a phase; a phase that nobody knows is drawn as `other`."""
    return name.replace(" ", "-") if name in PHASES else "other"


def drawable(spans: Iterable[Span]) -> list[Span]:
    """Spans that have a place on an axis, in the order they began."""
    known = (s for s in spans if finite(s.begin_ms) and finite(s.end_ms) and s.end_ms >= s.begin_ms)
    return sorted(known, key=lambda span: span.begin_ms)


def stretches(cases: Sequence[Case], until_ms: float) -> list[Stretch]:
    """Which path was taken when: a handover's end is when the path changes."""
    made: list[Stretch] = []
    for at, path in [*_changes(cases), (until_ms, "none")]:
        if made:
            made[-1] = Stretch(made[-1].path, made[-1].begin_ms, max(at, made[-1].begin_ms))
        if not made or made[-1].path != path:
            made.append(Stretch(path, at, at))
    return [s for s in made if s.path != "none" and s.end_ms > s.begin_ms]


def _end(span: Span) -> float:
    return span.end_ms


def _changes(cases: Sequence[Case]) -> list[tuple[float, Path]]:
    """Points of time, each with the path from then on."""
    found: list[tuple[float, Path]] = []
    ordered = [c for c in cases if finite(c.begin_ms) and finite(c.end_ms)]
    for case in sorted(ordered, key=lambda one: one.begin_ms):
        spans = drawable(case.spans)
        out = max((s for s in spans if s.name == "handover out"), key=_end, default=None)
        back = max((s.end_ms for s in spans if s.name == "handover back"), default=None)
        found.append((case.begin_ms if found else 0.0, case.path_before))
        if out is not None:
            found.append((out.end_ms, "tcp" if out.path == "none" else out.path))
        found.append((case.end_ms if back is None else back, case.path_after))
    return sorted(found, key=lambda change: change[0])
