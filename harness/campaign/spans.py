"""The phases of a case, read off the event log: pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.events import Event
from harness.model.campaign_result import Span
from harness.model.result import PATHS, Path

ENDS = (".end", ".failed")


def spans(events: Sequence[Event], begun: float) -> tuple[Span, ...]:
    """The phases in the order they began; `begun` is the leg's start, in monotonic seconds.

    Parting is a handover and then the unplugging, sharing the plugging and then a handover.
    """
    found = []
    for index, event in enumerate(events):
        name, _, edge = event.name.rpartition(".")
        if edge == "begin" and name in ("handover", "migrate", "part", "share"):
            end = _end_of(name, event, events[index + 1 :])
            if end is not None:
                found.append(_span(name, event, end, events, begun))
    return tuple(sorted(found, key=lambda span: span.begin_ms))


def _span(name: str, first: Event, last: Event, events: Sequence[Event], begun: float) -> Span:
    begin, end, path = first.at, last.at, _path(last)
    match name:
        case "handover":
            name = "handover back" if first.fields.get("to") == "shm" else "handover out"
        case "part":
            name = "unplug"
            inside = [e.at for e in events if e.name == "handover.end" and begin <= e.at <= end]
            begin = max(inside, default=begin)
        case "share":
            name = "plug"
            inside = [e.at for e in events if e.name == "handover.begin" and begin <= e.at <= end]
            end = min(inside, default=end)
    return Span(name=name, begin_ms=_ms(begin, begun), end_ms=_ms(end, begun), path=path)


def _path(last: Event) -> Path:
    """The path that a handover led to, which its end names."""
    return next((path for path in PATHS if path == last.fields.get("to")), "none")


def _end_of(name: str, first: Event, rest: Sequence[Event]) -> Event | None:
    about = {key: first.fields[key] for key in ("guest", "grant") if key in first.fields}
    for event in rest:
        right = all(event.fields.get(key) == value for key, value in about.items())
        if right and event.name in (name + end for end in ENDS):
            return event
    return None


def _ms(at: float, begun: float) -> float:
    return round((at - begun) * 1000, 1)
