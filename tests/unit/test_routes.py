"""What every host's agent is told of the ways to the guests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.routes import Routes
from harness.hosts.fake import FakeHost
from harness.run import Completed
from tests.unit.grant_fakes import Member

KEY = "5a" * 32


class Hosts:
    """Two hosts with agents, and what those were told: that is what they have."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.others: list[dict[str, Any]] = []  # ways of another testbed that all of them have
        self.silent = ""
        self.all = {name: self._host(name, number) for name, number in (("h1", 1000), ("h2", 1001))}

    def _host(self, name: str, number: int) -> FakeHost:
        def run(argv: Sequence[str], given: str | None) -> Completed:
            if name == self.silent:
                raise TestbedError("no agent")
            if argv[1] == "route":
                assert given is not None
                self.told[name] = json.loads(given)
            said = {"domain_id": number, "port": 7778, "routes": self._shown(name)}
            return Completed(tuple(argv), 0, json.dumps(said), "")

        return FakeHost(name, run)

    def _shown(self, name: str) -> list[dict[str, Any]]:
        """An agent shows no key."""
        table = self.told.get(name, {"owner": "", "routes": []})
        shown = [{**way, "owner": table["owner"], "up": True} for way in table["routes"]]
        for way in shown:
            way.pop("key", None)
        return [*shown, *self.others]

    def ways(self, name: str) -> dict[int, Any]:
        """By domain, what the agent of that host was told."""
        return {way["domain"]: way for way in self.told[name]["routes"]}


def routes(hosts: Hosts, *granted: str, key: str = KEY, events: EventLog | None = None) -> Routes:
    guests = {
        "g1": Member("g1", 3, hosts.all["h1"], [], {}),
        "g2": Member("g2", 4, hosts.all["h2"], [], {}),
    }
    return Routes("lab-1", key, hosts.all, guests, events or EventLog(), lambda: granted)


def without_h2(hosts: Hosts, *all_hosts: str) -> Routes:
    """What is seen while the libvirtd of h2 is away."""
    guests = {"g1": Member("g1", 3, hosts.all["h1"], [], {})}
    seen = {"h1": hosts.all["h1"]}
    return Routes("lab-1", KEY, seen, guests, EventLog(), all_hosts=all_hosts)


def test_each_host_knows_where_every_guest_is() -> None:
    hosts = Hosts()
    routes(hosts).tell()
    there = {"address": hosts.all["h1"].address, "port": 7778, "key": KEY}
    assert hosts.told["h1"]["owner"] == hosts.told["h2"]["owner"] == "lab-1"
    assert hosts.told["h1"]["routes"][0] == {"domain": 3, "socket": "/run/g1.sock"}
    assert hosts.told["h1"]["routes"][1]["host"] == 1001
    assert hosts.told["h2"]["routes"] == [
        {"domain": 3, "host": 1000, **there},
        {"domain": 4, "socket": "/run/g2.sock"},
    ]


def test_a_host_that_is_granted_is_known_to_the_others() -> None:
    hosts = Hosts()
    routes(hosts, "h1", "h9").tell()
    there = {"address": hosts.all["h1"].address, "port": 7778, "key": KEY}
    assert hosts.told["h2"]["routes"][2:] == [{"domain": 1000, "host": 1000, **there}]
    [back] = hosts.told["h1"]["routes"][2:]  # its guests may move there
    assert (back["domain"], back["host"]) == (1001, 1001)


def test_a_host_whose_agent_is_silent_is_left_out_and_told_of() -> None:
    hosts, events, seen = Hosts(), EventLog(), list[str]()
    events.subscribe(lambda event: seen.append(event.name))
    hosts.silent = "h2"
    routes(hosts, events=events).tell()
    assert [way["domain"] for way in hosts.told["h1"]["routes"]] == [3]
    assert "relay.failed" in seen


def test_a_host_out_of_sight_costs_nobody_the_way_to_its_guests() -> None:
    hosts = Hosts()
    routes(hosts, "h2").tell()
    before = hosts.ways("h1")
    without_h2(hosts, "h1", "h2").tell()
    assert hosts.ways("h1") == before and {3, 4, 1001} == before.keys()


def test_a_host_that_is_none_any_more_is_left_out_with_its_guests() -> None:
    hosts = Hosts()
    routes(hosts, "h2").tell()
    without_h2(hosts, "h1").tell()
    assert hosts.ways("h1").keys() == {3}


def test_an_agent_that_is_just_being_started_costs_nobody_the_way_to_its_guests() -> None:
    hosts = Hosts()
    routes(hosts, "h1").tell()
    before, hosts.silent = hosts.ways("h1"), "h2"
    again = routes(hosts, "h1")
    again.tell()
    assert hosts.ways("h1") == before and again.untold == {"h2"}
    hosts.silent = ""
    again.tell()
    assert hosts.ways("h1") == before and not again.untold


def test_a_guest_on_its_way_keeps_the_port_that_is_known() -> None:
    hosts = Hosts()
    routes(hosts).tell()
    moving = Member("g1", 3, hosts.all["h1"], [], {})
    moving.data_socket = str  # type: ignore[method-assign]
    Routes("lab-1", KEY, hosts.all, {"g1": moving}, EventLog()).tell()
    assert hosts.ways("h1")[3] == {"domain": 3, "socket": "/run/g1.sock"}


def test_the_ways_of_another_testbed_are_none_of_ours() -> None:
    hosts = Hosts()
    hosts.others = [{"domain": 9, "owner": "lab-2", "socket": "/run/g9.sock"}]
    without_h2(hosts, "h1", "h2").tell()
    assert hosts.ways("h1").keys() == {3}


def test_a_testbed_of_before_has_no_relay() -> None:
    hosts = Hosts()
    routes(hosts, key="").tell()
    assert not hosts.told
