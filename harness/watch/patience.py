"""How soon a step that did not help may be tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness import clock
from harness.watch.decide import Action

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0


class Patience:
    """The same step, decided again right after it was done, waits: 1 s, then twice as long each
    time. It is forgotten once the step is no longer called for.
    """

    def __init__(self, now: Callable[[], float] = clock.now) -> None:
        self._now = now
        self._waits: dict[tuple[str, ...], tuple[float, float]] = {}  # until when, and how long

    def ready(self, decided: Iterable[Action]) -> list[Action]:
        """Those that may be done now; those not decided any more are forgotten."""
        actions = list(decided)
        known = {_key(action) for action in actions}
        self._waits = {key: wait for key, wait in self._waits.items() if key in known}
        return [action for action in actions if self._until(action) <= self._now()]

    def tried(self, action: Action) -> None:
        """It was done just now."""
        _, before = self._waits.get(_key(action), (0.0, FIRST_SECONDS / 2))
        wait = min(2 * before, LONGEST_SECONDS)
        self._waits[_key(action)] = (self._now() + wait, wait)

    def _until(self, action: Action) -> float:
        return self._waits.get(_key(action), (0.0, 0.0))[0]


def _key(action: Action) -> tuple[str, ...]:
    return (action.verb, *action.guests)
