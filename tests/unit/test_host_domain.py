"""A host as a member of grants: asked by a command, told which file to map, and never moving."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from harness.agent.fake import Handler
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.grant import Grant
from harness.grants.host_domain import HostDomain
from harness.hosts.fake import FakeHost
from harness.model.grant_table import Granted
from harness.model.topology import GrantSpec
from harness.run import Completed
from tests.unit.grant_fakes import Member

ROW = Granted(spec=GrantSpec(between=("h1", "g1")), since="today")
OWNER = "t-1"


def nothing(_: dict[str, Any]) -> dict[str, Any]:
    return {}


class Stage:
    """g1 on h1, whose agent says yes and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.mapped: dict[str, str] = {}
        self.shared = {"path": "relay"}
        self.host = FakeHost("h1", self._run)
        self.agent: dict[str, Handler] = {
            "hello": lambda _: {
                "name": "h1",
                "version": "0",
                "monotonic_ns": 1,
                "domain_id": 1000,
            },
            "links": lambda _: {"links": [self._link("g1", OWNER), self._link("g1", "t-2")]},
            "region.attach": lambda r: self.mapped.update({OWNER: r["file"]}) or {},
            "region.detach": lambda _: self.mapped.clear() or {},
        }
        self.guest = Member("g1", 3, self.host, [], self.shared)
        self.guest.handlers["links"] = lambda _: {"links": [self._link("h1", OWNER)]}
        self.domain = HostDomain(self.host, OWNER)
        self.grant = Grant(ROW, (self.domain, self.guest), OWNER, EventLog(), None)

    def _link(self, peer: str, owner: str) -> dict[str, Any]:
        file = {"file": self.mapped[owner]} if owner in self.mapped else {}
        link = {"peer": peer, "state": "up", "path": self.shared["path"], "owner": owner}
        return {**link, "epoch": 0, **file}

    def _run(self, argv: Sequence[str], given: str | None) -> Completed:
        if "ctl" not in argv:
            return Completed(tuple(argv), 0, "", "")
        assert given is not None
        said = [self._answer(json.loads(line)) for line in given.splitlines() if line]
        return Completed(tuple(argv), 0, "".join(f"{json.dumps(each)}\n" for each in said), "")

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        return {"id": request["id"], "ok": True, **self.agent.get(request["op"], nothing)(request)}

    def requests(self, op: str) -> list[dict[str, Any]]:
        return [request for request in self.asked if request["op"] == op]


def test_the_two_know_each_other_without_a_network() -> None:
    stage = Stage()
    stage.grant.introduce()
    [ours] = stage.requests("link.add")
    [theirs] = [r for r in stage.guest.transport.requests if r["op"] == "link.add"]
    assert (ours["peer"], ours["peer_id"], ours["owner"]) == ("g1", 3, OWNER)
    assert (theirs["peer"], theirs["peer_id"]) == ("h1", 1000)
    assert ours["key"] == theirs["key"] and not {"address", "port"} & {*ours, *theirs}


def test_the_host_maps_the_file_that_the_guest_has_as_a_device() -> None:
    stage = Stage()
    stage.grant.share()
    region = stage.grant.region
    assert region is not None and region.ids == (3, 1000)
    [attach] = stage.requests("region.attach")
    assert (attach["file"], attach["nonce"]) == (region.path, region.nonce)
    assert stage.guest.devices == {"ua-domsock-h1": region.name}
    assert stage.domain.regions() == {"ua-domsock-g1": region.name}
    stage.grant.part()
    assert not stage.mapped and not stage.guest.devices and stage.grant.region is None


def test_links_of_another_testbed_are_none_of_ours() -> None:
    stage = Stage()
    stage.mapped["t-2"] = "/dev/shm/domsock.t-2.g1.h1.1"
    assert stage.domain.regions() == {}
    assert [link.owner for link in stage.domain.links()] == [OWNER]


def test_streams_of_another_testbed_are_none_of_ours() -> None:
    """Two testbeds on one host, whose guests have the same names, and streams of one name."""
    stage = Stage()
    stream = {"peer": "g1", "name": "rpc", "role": "opener", "path": "shm", "received": 0}
    each = [{**stream, "owner": OWNER, "sent": 7}, {**stream, "owner": "t-2", "sent": 8}]
    stage.agent["streams"] = lambda _: {"streams": each}
    assert [stream.sent for stream in stage.domain.streams()] == [7]


def test_a_link_of_another_testbed_is_not_taken_for_the_grant_s() -> None:
    stage = Stage()
    other = {**stage._link("g1", "t-2"), "path": "shm"}
    stage.agent["links"] = lambda _: {"links": [other]}
    assert stage.grant.link_of(stage.domain).state == "down"
    stage.agent["links"] = lambda _: {"links": [other, stage._link("g1", OWNER)]}
    assert stage.grant.link_of(stage.domain).path == "relay"


def test_a_testbed_that_goes_takes_its_own_links_only() -> None:
    stage = Stage()
    stage.domain.forget_all()
    [removed] = stage.requests("link.remove")
    assert (removed["peer"], removed["owner"], removed["policy"]) == ("g1", OWNER, "reset")
    [told] = stage.requests("domains.set")
    assert (told["owner"], told["domains"]) == (OWNER, [])


def test_the_guest_is_the_lower_one_and_nobody_is_asked_for_that() -> None:
    stage = Stage()
    assert (stage.grant.low, stage.grant.high) == (stage.guest, stage.domain)
    assert not stage.asked


def test_an_agent_that_is_away_says_so_in_its_words() -> None:
    stage = Stage()
    why = "domsock: no agent at /run/domsock/agent.sock: Connection refused"
    stage.host._answer = lambda argv, _: Completed(tuple(argv), 1, "", why)
    with pytest.raises(TestbedError, match="no agent at"):
        stage.domain.links()
    assert stage.domain.regions() == {}


def test_an_agent_that_says_nothing_is_not_waited_for() -> None:
    stage = Stage()
    stage.host._answer = lambda argv, _: Completed(tuple(argv), 0, "", "")
    with pytest.raises(TestbedError, match="did not answer"):
        stage.domain.links()
