"""What happened, in order: the one record that progress, evidence and reports are made from."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from harness import clock


@dataclass(frozen=True)
class Event:
    """One thing that happened. `at` is monotonic seconds, `utc` is for people."""

    name: str
    at: float
    utc: str
    fields: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """One line of events.jsonl."""
        record = {"event": self.name, "at": round(self.at, 6), "utc": self.utc, **self.fields}
        return json.dumps(record, default=str)


Subscriber = Callable[[Event], None]
Filter = Callable[[str, dict[str, Any]], bool]


def _any(_name: str, _fields: dict[str, Any]) -> bool:
    return True


class EventLog:
    """Collects events, writes them to a file when given one, tells its subscribers.

    Only what is `wanted` is kept: a long run has more to say than anybody will read. Who never
    ends does not `keep` events at all; they go to the file and to subscribers only.
    Events come from several threads; order and file are guarded by one lock.
    """

    def __init__(
        self, path: Path | None = None, *, wanted: Filter = _any, keep: bool = True
    ) -> None:
        self._wanted, self._keep = wanted, keep
        self._lock = threading.RLock()
        self._subscribers: list[Subscriber] = []
        self.events: list[Event] = []
        self._file: IO[str] | None = None
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` for every event from now on."""
        with self._lock:
            self._subscribers.append(subscriber)

    def emit(self, name: str, /, **fields: Any) -> Event:
        """Record that `name` happened now."""
        with self._lock:
            event = Event(name, clock.now(), clock.utc().isoformat(timespec="milliseconds"), fields)
            if not self._wanted(name, fields):
                return event
            if self._keep:
                self.events.append(event)
            if self._file and not self._file.closed:
                self._file.write(event.as_json() + "\n")
                self._file.flush()
            for subscriber in self._subscribers:
                subscriber(event)
        return event

    @contextmanager
    def span(self, name: str, /, **fields: Any) -> Iterator[dict[str, Any]]:
        """Emit ``name.begin`` and ``name.end`` (with `seconds`) or ``name.failed`` around a block.

        What the block puts into the yielded dictionary is added to the closing event.
        """
        begun = self.emit(f"{name}.begin", **fields)
        more: dict[str, Any] = {}
        try:
            yield more
        except BaseException as error:
            self.emit(f"{name}.failed", seconds=clock.now() - begun.at, error=repr(error), **fields)
            raise
        self.emit(f"{name}.end", seconds=clock.now() - begun.at, **{**fields, **more})

    def close(self) -> None:
        """Close the file; events are still collected afterwards, but no longer written."""
        with self._lock:
            if self._file:
                self._file.close()
