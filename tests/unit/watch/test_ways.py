"""When the hosts' agents are told the ways to the guests, without a step of the controller's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.events import EventLog
from harness.model.topology import lab_topology
from harness.testbed.record import TestbedRecord
from harness.watch import watcher, ways
from harness.watch.decide import Action
from harness.watch.watcher import Watcher
from harness.watch.ways import Ways
from harness.watch.world import World


class Routes:
    """Notes what is told; `dead` are hosts whose agents do not run."""

    def __init__(self) -> None:
        self.tells, self.dead, self.untold = 0, set[str](), set[str]()

    def tell(self) -> None:
        self.tells += 1
        self.untold = {*self.dead}


class Hall:
    def __init__(self) -> None:
        self.ways, self.routes = Ways(), Routes()

    def look(self, *hosts: str) -> int:
        """How often it is told in a look at these."""
        before, testbed = self.routes.tells, made_up(self.routes, dict.fromkeys(hosts))
        self.ways.tell(testbed)
        return self.routes.tells - before


def made_up(routes: Routes, places: Mapping[str, Any]) -> Any:
    return SimpleNamespace(places=places, routes=routes, drop_agents=lambda: None)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [0.0]
    monkeypatch.setattr(ways.clock, "now", lambda: time[0])
    return time


def test_all_are_told_when_a_host_is_gained_and_when_it_is_regained() -> None:
    hall = Hall()
    assert [hall.look("h1", "h2"), hall.look("h1", "h2")] == [1, 0]
    assert [hall.look("h1"), hall.look("h1", "h2"), hall.look("h1", "h2")] == [0, 1, 0]


def test_who_could_not_be_told_is_told_later_and_ever_later(now: list[float]) -> None:
    hall, waits = Hall(), list[float]()
    hall.routes.dead = {"h2"}
    hall.look("h1", "h2")
    for _ in range(7):
        began = now[0]
        while not hall.look("h1", "h2"):
            now[0] += 0.5
        waits.append(now[0] - began)
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    hall.routes.dead = set()
    now[0] += 30
    assert [hall.look("h1", "h2"), hall.look("h1", "h2")] == [1, 0]


def test_a_host_that_is_regained_does_not_wait_for_one_whose_agent_is_dead() -> None:
    hall = Hall()
    hall.routes.dead = {"h2"}
    assert [hall.look("h1", "h2"), hall.look("h1", "h2"), hall.look("h1", "h2", "h3")] == [1, 0, 1]


def test_a_step_that_could_not_tell_somebody_is_made_up_for(
    now: list[float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))
    routes, steps = Routes(), [[Action("note", ("g1",), "it has moved here")], [], []]
    testbed = made_up(routes, {"h1": None, "h2": None})
    monkeypatch.setattr(watcher.Testbed, "find", lambda *_: testbed)
    monkeypatch.setattr(watcher, "observe", lambda *_, **__: World({}))
    monkeypatch.setattr(watcher, "decide", lambda *_: steps.pop(0))

    def attempt(*_: object) -> None:
        routes.dead = {"h2"}  # it is being started again
        routes.tell()
        routes.dead = set()

    monkeypatch.setattr(watcher.acts, "attempt", attempt)
    watching = Watcher(made := TestbedRecord.new(lab_topology(), "digest"), [], EventLog(), "me")
    for at in (0.0, 0.5, 2.0):
        now[0] = at
        watching._step(made)
    assert routes.tells == 3, "at first, by the step, and once more"
