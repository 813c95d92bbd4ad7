"""The controller's steps, done to guests that are made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from harness.events import EventLog
from harness.grants.region import Region
from harness.model.grant_table import Granted
from harness.model.topology import GuestSpec, HostSpec, Topology
from harness.run import Completed
from harness.testbed.record import TestbedRecord
from harness.testbed.testbed import Testbed
from harness.watch import acts
from harness.watch.decide import Action, Verb
from tests.unit.grant_fakes import ROW, Stage, removes_a_region

PAIR = ("g1", "g2")


class Domain:
    """What the controller leaves with a domain."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def write_note(self, text: str) -> None:
        self.notes.append(text)


class Hall:
    """g1 and g2 on h1, whose host shows the owner's records of `files`."""

    def __init__(self, *rows: Granted, names: Sequence[str] = PAIR) -> None:
        self.stage, self.files = Stage(), list[Region]()
        self.stage.host._answer = self._answer
        members: dict[str, Any] = {"g1": self.stage.low, "g2": self.stage.high}
        for member in members.values():
            member.domain, member.stay = Domain(), "h1/3"
        guests = {name: GuestSpec(host="h1") for name in PAIR}
        topology = Topology(name="t", hosts={"h1": HostSpec()}, guests=guests)
        made = TestbedRecord.new(topology, "digest").model_copy(update={"grants": rows})
        self.events = EventLog()
        here = {name: members[name] for name in names}
        places: Any = {"h1": self.stage.low.place}
        self.testbed = Testbed(made, places, here, self.events)

    def _answer(self, argv: Sequence[str], _input: str | None) -> Completed:
        words = " ".join(argv)
        owners = "\n".join(json.dumps(asdict(region)) for region in self.files)
        self.files = [] if removes_a_region(argv) else self.files
        return Completed(tuple(argv), 0, owners if "*.json" in words else "", "")

    def do(self, verb: Verb, *guests: str) -> None:
        acts.attempt(Action(verb, guests or PAIR, "why"), self.testbed)

    def told(self) -> list[str]:
        return [event.name for event in self.events.events if event.name.startswith("act.")]

    def plugged(self, *names: str) -> Region:
        """A region in those guests, its file on the host."""
        record = self.testbed.record
        region = Region.fresh(record.testbed_id, PAIR, (3, 4), 1 << 20, 7)
        self.files.append(region)
        for member in (self.stage.low, self.stage.high):
            if member.name in names:
                member.devices[f"ua-domsock-{'g2' if member.name == 'g1' else 'g1'}"] = region.name
        return region


def test_sharing_and_parting() -> None:
    hall = Hall(ROW)
    hall.do("share")
    assert hall.stage.low.devices and hall.stage.high.devices
    hall.plugged()
    hall.do("part")
    assert not hall.stage.low.devices and not hall.stage.high.devices and not hall.files
    assert hall.told() == ["act.begin", "act.end"] * 2


def test_introducing_tells_both_the_same_key() -> None:
    hall = Hall(ROW)
    hall.do("introduce")
    low, high = (
        [r["key"] for r in member.transport.requests if r["op"] == "link.add"]
        for member in (hall.stage.low, hall.stage.high)
    )
    assert low == high and len(low) == 1


def test_introducing_tells_both_who_else_there_is() -> None:
    hall = Hall(ROW)
    hall.do("introduce")
    for member in (hall.stage.low, hall.stage.high):
        [told] = [r for r in member.transport.requests if r["op"] == "domains.set"]
        assert told["domains"] == [{"name": "g1", "id": 3}, {"name": "g2", "id": 4}]


def test_who_has_no_grant_forgets_the_other() -> None:
    hall = Hall()
    hall.plugged("g1", "g2")
    hall.do("forget")
    assert {"forget g1", "forget g2"} <= set(hall.stage.log) and not hall.stage.low.devices


def test_who_was_put_back_forgets_everybody_and_is_noted() -> None:
    hall = Hall(ROW)
    hall.do("renew", "g1")
    domain: Any = hall.testbed.guests["g1"].domain
    assert hall.stage.log == ["forget g1", "forget g2"] and domain.notes == ["h1/3"]


def test_who_is_forsaken_keeps_nothing() -> None:
    hall = Hall(ROW, names=("g2",))
    hall.plugged("g2")
    hall.do("forsake", "g2", "g1")
    assert hall.stage.log == ["forget g1", "unplug g2"] and not hall.files


def test_tidying_removes_no_file_that_is_plugged() -> None:
    hall = Hall(ROW)
    hall.plugged("g1")
    hall.do("tidy")
    assert hall.files
    hall.stage.low.devices.clear()
    hall.do("tidy")
    assert not hall.files


def test_what_cannot_be_done_now_is_told_and_raises_nothing() -> None:
    hall = Hall(ROW, names=("g1",))
    hall.do("share")
    assert hall.told() == ["act.begin", "act.failed"]
    assert "g2 no longer runs on any host" in hall.events.events[-1].fields["error"]


def test_an_interrupt_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(ROW)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(acts, "STEPS", {"note": interrupt})
    with pytest.raises(KeyboardInterrupt):
        hall.do("note", "g1")
    assert hall.told() == ["act.begin"]
