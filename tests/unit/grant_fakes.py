"""A grant's surroundings, made up: host, guests, agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.agent.client import AgentClient
from harness.agent.fake import FakeTransport, Handler
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.grant import Grant
from harness.hosts.fake import FakeHost
from harness.model.grant_table import Granted
from harness.model.topology import GrantSpec
from harness.run import Completed

ROW = Granted(spec=GrantSpec(between=("g2", "g1")), since="today")


def willing_host() -> FakeHost:
    return FakeHost("h1", lambda argv, _input: Completed(tuple(argv), 0, "", ""))


def removes_a_region(argv: Sequence[str]) -> bool:
    """Whether that command of a host's removes a region's file."""
    return argv[0] == "rm" and any(word.startswith("/dev/shm/") for word in argv)


class Place:
    def __init__(self, host: FakeHost) -> None:
        self.host = host


class Member:
    """A guest as a grant knows it, with an agent that says yes unless told otherwise."""

    def __init__(
        self, name: str, domain_id: int, host: FakeHost, log: list[str], shared: dict[str, str]
    ) -> None:
        self.shared, self.stuck = shared, False
        self.name, self.domain_id, self.place, self.log = name, domain_id, Place(host), log
        self.devices: dict[str, str] = {}
        self.handlers: dict[str, Handler] = {
            "domains.set": lambda _: {},
            "link.add": lambda _: {},
            "link.remove": lambda r: self._note(f"forget {r['peer']}", {}),
            "links": lambda _: self._links(),
            "region.attach": lambda _: {},
            "region.detach": lambda _: {},
            "handover": lambda r: (
                self._hand_over(r["to"])
                or self._note(f"handover {r['to']}", {"epoch": 1, "duration_us": 1500})
            ),
        }
        self.transport = FakeTransport(self.handlers)
        self.agent = AgentClient(lambda: self.transport, name)

    def _links(self) -> dict[str, Any]:
        link = {"state": "up", "path": self.shared["path"], "phase": "idle", "epoch": 0}
        return {"links": [{"peer": "g1", **link}, {"peer": "g2", **link}]}

    def _hand_over(self, to: str) -> None:
        self.shared["path"] = to

    def _note(self, what: str, answer: dict[str, Any]) -> dict[str, Any]:
        self.log.append(what)
        return answer

    def attach_region(self, region: str, size: int, alias: str) -> None:
        self.log.append(f"plug {self.name}")
        self.devices[alias] = region

    def detach_region(self, alias: str, *, within: float) -> None:
        if self.stuck:
            raise TestbedError(f"{alias} is not unplugged")
        self.log.append(f"unplug {self.name}")
        self.devices.pop(alias, None)

    def data_socket(self) -> str:
        return f"/run/{self.name}.sock"

    def regions(self) -> dict[str, str]:
        return self.devices


class Stage:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.host, path = willing_host(), {"path": "tcp"}
        self.low = Member("g1", 3, self.host, self.log, path)
        self.high = Member("g2", 4, self.host, self.log, path)
        self.grant = Grant(ROW, (self.high, self.low), "t-1", EventLog())
