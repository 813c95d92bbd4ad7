"""A move of g1 that is interrupted, as by Ctrl-C, at each of its steps; runs inside the lab of
test_surprises.py, while nobody watches.
"""

from __future__ import annotations

import threading
from typing import Any

from harness.events import Event
from harness.traffic.traffic import Traffic
from tests.lab.watched import Stage


class Tripwire:
    """Interrupts whoever is at work, at its n-th event."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._at = 0

    def set(self, at: int) -> None:
        """Interrupt at that event from now on, counted from 1; with 0 at none."""
        self.seen, self._at = [], at

    def __call__(self, event: Event) -> None:
        if threading.current_thread() is not threading.main_thread() or event.name == "agent":
            return  # Ctrl-C is the main thread's; what agents say is no step, and comes at any time
        self.seen.append(event.name)
        if len(self.seen) == self._at:
            raise KeyboardInterrupt


def interrupted_away(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """h1 → h2: from shared memory to TCP."""
    return _interrupted(stage, traffic, "h1", "h2")


def interrupted_back(stage: Stage, traffic: Traffic) -> dict[str, Any]:
    """h2 → h1: from TCP to shared memory."""
    return _interrupted(stage, traffic, "h2", "h1")


def _interrupted(stage: Stage, traffic: Traffic, here: str, there: str) -> dict[str, Any]:
    """Each time it ends on one of the two hosts, as whole as if nothing had happened."""
    wire = Tripwire()
    stage.testbed.recover_grants()
    stage.testbed.events.subscribe(wire)
    _bring(stage, wire, here)
    moments, ends = _moments(stage, wire, there), []
    for at, moment in enumerate(moments, start=1):
        _bring(stage, wire, here)
        wire.set(at)
        ends.append(_end_of(stage, there))
        assert wire.seen[at - 1] == moment, wire.seen
        wire.set(0)
        _check(stage, moment)
        stage.carries_on(traffic)
    _bring(stage, wire, "h1")
    return {"moments": moments, "ends": ends}


def _moments(stage: Stage, wire: Tripwire, there: str) -> list[str]:
    """What a move says that nobody interrupts."""
    wire.set(0)
    stage.testbed.migrate("g1", there)
    return wire.seen


def _bring(stage: Stage, wire: Tripwire, to: str) -> None:
    wire.set(0)
    if stage.where("g1") != to:
        stage.testbed.migrate("g1", to)


def _end_of(stage: Stage, there: str) -> str:
    """The host on which an interrupted move leaves the guest."""
    try:
        stage.testbed.migrate("g1", there)
    except KeyboardInterrupt:
        return stage.where("g1")
    raise AssertionError("it was not interrupted")


def _check(stage: Stage, moment: str) -> None:
    """It shares memory where it is with g2, by one region; else nothing is plugged or left."""
    together = stage.where("g1") == stage.where("g2")
    stage.testbed.drop_agents()
    left = {"path": "shm", "files": 1} if together else {"path": "tcp", "files": 0}
    assert stage.leftovers() == {**left, "same": True}, (moment, stage.leftovers())
