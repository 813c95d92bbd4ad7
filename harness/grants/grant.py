"""One grant at work: two guests, their link, and the region while they share a host."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from harness import clock
from harness.agent.client import AgentClient
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.region import Region
from harness.hosts.base import Host
from harness.model import naming
from harness.model.result import Handover
from harness.model.topology import GrantSpec

PLUG_SECONDS = 30.0
HANDOVER_SECONDS = 10.0
LINK_SECONDS = 20.0


class Place(Protocol):
    """Where a member is."""

    @property
    def host(self) -> Host:
        """The host, for commands."""


class Member(Protocol):
    """A guest, as far as a grant needs to know it."""

    name: str
    domain_id: int

    @property
    def place(self) -> Place:
        """Where it is now."""

    @property
    def agent(self) -> AgentClient:
        """Its agent."""

    def attach_region(self, region: str, size: int, alias: str) -> None:
        """Hot-plug a region."""

    def detach_region(self, alias: str, *, within: float) -> None:
        """Unplug one."""

    def regions(self) -> dict[str, str]:
        """Alias → file name of what it has."""


@dataclass(frozen=True)
class Change:
    """What sharing or parting took, in milliseconds; `plug_ms` is waiting for libvirt and guest."""

    handover: Handover
    plug_ms: float


class Grant:
    """The relation of two guests.

    Its link always exists; its region exists only while both are on one host.
    """

    def __init__(
        self, spec: GrantSpec, members: tuple[Member, Member], testbed: str, events: EventLog
    ) -> None:
        low, high = sorted(members, key=lambda member: member.domain_id)
        self.spec, self.testbed, self.events = spec, testbed, events
        self.low, self.high = low, high
        self.key = secrets.token_hex(32)
        self.generation = 0
        self.region: Region | None = None
        self._region_host: Host | None = None

    @property
    def name(self) -> str:
        """The pair, for messages."""
        return f"{self.low.name}-{self.high.name}"

    @property
    def together(self) -> bool:
        """Whether both members are on one host now."""
        return self.low.place.host.name == self.high.place.host.name

    def alias_for(self, member: Member) -> str:
        """The device's alias in that member: it names the peer."""
        return f"ua-domsock-{self._peer(member).name}"

    def _peer(self, member: Member) -> Member:
        return self.high if member is self.low else self.low

    def recover(self) -> None:
        """Learn from the members which region they share; after a restart of the harness.

        A region that only one of them has, or that has no record, is no longer shared: `share`
        takes it away before it makes another.
        """
        names = {member.regions().get(self.alias_for(member)) for member in (self.low, self.high)}
        name, host = names.pop(), self.low.place.host
        if not names and name and self.together:
            self.region = Region.load(host, name)
            self._region_host = host if self.region else None

    def introduce(self) -> None:
        """Tell both agents of each other, and wait until their link is up."""
        self._both(self._add_link)
        for member in (self.low, self.high):
            self._await_link(member)

    def _add_link(self, member: Member) -> None:
        peer = self._peer(member)
        member.agent.call(
            "link.add",
            peer=peer.name,
            peer_id=peer.domain_id,
            address=naming.guest_address(peer.domain_id),
            port=naming.AGENT_PORT,
            key=self.key,
        )

    def link_of(self, member: Member) -> dict[str, Any]:
        """The link as that member's agent sees it; empty when it has none."""
        links = member.agent.call("links")["links"]
        peer = self._peer(member).name
        return next((dict(link) for link in links if link["peer"] == peer), {})

    def _await_link(self, member: Member) -> None:
        clock.wait_until(
            lambda: self.link_of(member).get("state") == "up",
            within=LINK_SECONDS,
            what=f"the link {self.name} to come up, seen from {member.name}",
        )

    def share(self) -> Change:
        """A fresh region into both members, and the link onto it.

        Raises TestbedError; the link then stays on TCP and the region is taken away again.
        """
        with self.events.span("share", grant=self.name) as done:
            begun = clock.now()
            try:
                self._plug_fresh_region()
                plug_ms = (clock.now() - begun) * 1000
                handover = self._hand_over("shm")
            except TestbedError:
                self._take_region_away()
                raise
            done.update(plug_ms=plug_ms, duration_ms=handover.duration_ms)
        return Change(handover, plug_ms)

    def _plug_fresh_region(self) -> None:
        self.generation = self._next_generation()
        ids = (self.low.domain_id, self.high.domain_id)
        pair = (self.low.name, self.high.name)
        region = Region.fresh(self.testbed, pair, ids, self.spec.size, self.generation)
        host = self.low.place.host
        self._both(self._unplug_stale)
        region.create(host)
        self.region, self._region_host = region, host
        self._both(self._plug)

    def _next_generation(self) -> int:
        """Higher than any before: each one costs the link an epoch, which its agents remember."""
        return max(self.generation, int(self.link_of(self.low).get("epoch", 0))) + 1

    def _unplug_stale(self, member: Member) -> None:
        """Take away what a command that was killed half way left plugged."""
        if self.alias_for(member) in member.regions():
            self._unplug(member)

    def _plug(self, member: Member) -> None:
        assert self.region is not None
        member.attach_region(self.region.name, self.region.size, self.alias_for(member))
        member.agent.call(
            "region.attach",
            within=PLUG_SECONDS + 5,
            peer=self._peer(member).name,
            nonce=self.region.nonce,
            deadline_ms=int(PLUG_SECONDS * 1000),
        )

    def part(self) -> Change:
        """The link onto TCP, the region out of both members, its file destroyed.

        Raises TestbedError when the handover was rolled back: the link is on shm as before.
        """
        with self.events.span("part", grant=self.name) as done:
            handover = self._hand_over("tcp")
            begun = clock.now()
            self._unplug_both()
            plug_ms = (clock.now() - begun) * 1000
            self._destroy_region()
            done.update(plug_ms=plug_ms, duration_ms=handover.duration_ms)
        return Change(handover, plug_ms)

    def _hand_over(self, to: str) -> Handover:
        with self.events.span("handover", grant=self.name, to=to) as done:
            answer = self.low.agent.call(
                "handover",
                within=HANDOVER_SECONDS + 5,
                peer=self.high.name,
                to=to,
                deadline_ms=int(HANDOVER_SECONDS * 1000),
            )
            handover = Handover.model_validate(
                {
                    "epoch": answer["epoch"],
                    "to": to,
                    "duration_ms": answer.get("duration_us", 0) / 1000,
                    "streams": answer.get("streams", 0),
                    "bytes_in_ring_at_fence": answer.get("bytes_in_ring_at_fence", 0),
                    "bytes_resent": answer.get("bytes_resent", 0),
                }
            )
            done.update(handover.model_dump())
        return handover

    def _unplug_both(self) -> None:
        self._both(self._unplug)

    def _unplug(self, member: Member) -> None:
        member.agent.call("region.detach", peer=self._peer(member).name)
        member.detach_region(self.alias_for(member), within=PLUG_SECONDS)

    def _destroy_region(self) -> None:
        if self.region is not None and self._region_host is not None:
            self.region.destroy(self._region_host)
        self.region = self._region_host = None

    def _take_region_away(self) -> None:
        """After a failure: leave no device and no file, whatever still works."""
        for step in (self._unplug_both, self._destroy_region):
            try:
                step()
            except TestbedError as error:
                self.events.emit("cleanup.failed", grant=self.name, error=str(error))

    def _both(self, action: Callable[[Member], None]) -> None:
        """Do it for both members side by side; the first error is raised after both ended."""
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(action, member) for member in (self.low, self.high)]:
                future.result()
