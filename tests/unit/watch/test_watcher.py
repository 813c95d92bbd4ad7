"""The loop around the decisions: one controller at a time, hosts that go away, the end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.fake import FakeHost
from harness.model.topology import lab_topology
from harness.run import Completed
from harness.testbed import record
from harness.testbed.record import TestbedRecord
from harness.watch import reach, watcher
from harness.watch.lease import Lease
from harness.watch.reach import Reach
from harness.watch.watcher import Watcher
from harness.watch.world import World


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))


def a_record() -> TestbedRecord:
    made = TestbedRecord.new(lab_topology(), "digest")
    made.write()
    return made


def told(events: EventLog) -> list[str]:
    return [event.name for event in events.events]


def test_it_ends_with_the_testbed_and_gives_the_lease_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, events, looks = a_record(), EventLog(), []

    def observe(*_: object, **__: object) -> World:
        looks.append("look")
        if len(looks) == 2:
            (made.folder / record.FILE).unlink()
        return World({})

    monkeypatch.setattr(watcher, "observe", observe)
    monkeypatch.setattr(watcher, "LOOK_SECONDS", 0.01)
    Watcher(made, [], events, "me").run(wait=True)
    assert looks == ["look", "look"] and told(events) == ["watch.settled", "watch.ended"]
    assert Lease(made.folder, "next").take() is None


def test_a_record_that_cannot_be_read_is_not_taken_for_a_testbeds_end() -> None:
    made = a_record()
    (made.folder / record.FILE).write_text("of another version")
    with pytest.raises(TestbedError, match="cannot be read"):
        Watcher(made, [], EventLog(), "me").run(wait=True)


def test_a_second_one_says_who_has_it() -> None:
    made = a_record()
    assert Lease(made.folder, "somebody, pid 7").take() is None
    with pytest.raises(UsageError, match="is watched already: by somebody, pid 7"):
        Watcher(made, [], EventLog(), "me").run(wait=False)
    assert Lease(made.folder, "third").take() is not None, "the first one's lease is untouched"


def test_a_look_that_fails_is_told_and_the_next_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    made, events, looks = a_record(), EventLog(), []

    def observe(*_: object, **__: object) -> World:
        looks.append("look")
        if len(looks) == 1:
            raise TestbedError("the host went away")
        (made.folder / record.FILE).unlink()
        return World({})

    monkeypatch.setattr(watcher, "observe", observe)
    monkeypatch.setattr(watcher, "LOOK_SECONDS", 0.01)
    Watcher(made, [], events, "me").run(wait=True)
    assert told(events) == ["watch.trouble", "watch.settled", "watch.ended"]


class Host(FakeHost):
    def __init__(self) -> None:
        super().__init__("h1", lambda argv, _input: Completed(tuple(argv), 0, "", ""))


def test_a_host_that_goes_away_is_left_out_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    host, events, heard = Host(), EventLog(), list[Any]()
    connection: Any = SimpleNamespace(alive=True, close=lambda: None)
    connection.tell = lambda listener: heard.append(listener)
    place: Any = SimpleNamespace(connection=connection)
    monkeypatch.setattr(reach, "reach", lambda *_: {"h1": place})
    monkeypatch.setattr(reach, "RETRY_SECONDS", 0.0)
    hosts = Reach(lab_topology(), [host], events, lambda *_: None)
    assert hosts.places() == {"h1": place} and hosts.complete
    connection.alive, host.reachable = False, False
    assert hosts.places() == {} and not hosts.complete
    connection.alive, host.reachable = True, True
    assert hosts.places() == {"h1": place} and hosts.complete and len(heard) == 2
    assert told(events) == ["host.reached", "host.lost", "host.reached"]
