"""The report of the main job: its phases on a line, its moves, its streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.model.result import Migration, Phase, Summary
from harness.report import page, story, timeline
from harness.report.campaign import FINDINGS_MOST, NAME
from harness.report.words import finite, lasting, plural, shown

LEAST_SECONDS = 0.001  # a phase that is shorter has no rate


@dataclass(frozen=True)
class Stage:
    """A phase on the line; percent of the run's time, and of the greatest rate."""

    phase: Phase
    name: str
    rate: float
    x: float
    width: float
    height: float

    @property
    def strips(self) -> tuple[tuple[int, int], ...]:
        """How its path is drawn, in percent of the strip's height."""
        return timeline.STRIPS[self.phase.path]


@dataclass(frozen=True)
class Part:
    """A part of a move; percent of the longest move."""

    name: str
    kind: str
    ms: float
    x: float
    width: float


@dataclass(frozen=True)
class Move:
    """A migration, with its parts one after the other."""

    migration: Migration
    name: str
    parts: tuple[Part, ...]


def write(summary: Summary, folder: Path) -> Path:
    """Write report.html into the run's folder, and give its place. Raises OSError."""
    return write_to(summary, folder, folder / NAME)


def write_to(summary: Summary, run: Path, target: Path) -> Path:
    """Write the page anywhere; its links lead to the evidence in `run`. Raises OSError."""
    return page.save("demo.html.j2", content(summary), run, target)


def content(summary: Summary) -> dict[str, object]:
    """What the templates are filled with."""
    boots = {f"boot of {name}, ms": ms for name, ms in summary.boot_ms.items()}
    return {
        "title": "there and back",
        "command": shown(summary.command, 200),
        "result": summary,
        "story": list(_sentences(summary)),
        "findings": [shown(text) for text in summary.findings[:FINDINGS_MOST]],
        "findings_left_out": max(0, len(summary.findings) - FINDINGS_MOST),
        "attribution": "",
        "ran_on": story.ran_on(summary.accelerator, summary.versions),
        "stages": stages(summary.phases),
        "moves": moves(summary.migrations),
        "streams": [("", stream) for stream in summary.streams],
        "figures": story.figures({**summary.figures, **boots}),
        "environment": {shown(k, 100): shown(v) for k, v in summary.versions.items()},
    }


def stages(phases: Sequence[Phase]) -> tuple[Stage, ...]:
    """The phases in their order, as wide as they were long and as high as they were fast."""
    usable = [phase for phase in phases if finite(phase.seconds) and phase.seconds >= LEAST_SECONDS]
    whole = sum(phase.seconds for phase in usable) or 1.0
    fastest = max((phase.bytes / phase.seconds for phase in usable), default=0.0) or 1.0
    made, at = [], 0.0
    for phase in usable:
        rate, width = phase.bytes / phase.seconds, 100 * phase.seconds / whole
        height = round(100 * rate / fastest, 1)
        made.append(Stage(phase, shown(phase.name, 100), rate, at, round(width, 2), height))
        at = round(at + width, 2)
    return tuple(made)


def moves(migrations: Sequence[Migration]) -> tuple[Move, ...]:
    """The parts of each move in the order in which they happen."""
    longest = max((sum(_times(m)) for m in migrations), default=0.0) or 1.0
    return tuple(
        Move(m, shown(f"{m.guest} {m.source}→{m.destination}", 100), tuple(_parts(m, longest)))
        for m in migrations
    )


def _times(m: Migration) -> list[float]:
    every = (m.handover_out_ms, m.detach_ms, m.call_ms, m.attach_ms, m.handover_back_ms)
    return [max(0.0, ms) if finite(ms) else 0.0 for ms in every]


def _parts(m: Migration, longest: float) -> Iterator[Part]:
    at = 0.0
    for name, ms in zip(timeline.PHASES, _times(m), strict=True):
        width = round(100 * ms / longest, 2)
        if width:
            yield Part(name, timeline.slug(name), ms, round(at, 2), width)
        at += width


def _sentences(summary: Summary) -> Iterator[str]:
    went = " → ".join(summary.paths) or "nowhere"
    moved = plural(len(summary.migrations), "migration")
    yield f"{moved} in {lasting(summary.seconds)}; the streams went {went}."
    yield from story.fate(summary.streams)
    yield from story.left_behind(summary.left_behind)
