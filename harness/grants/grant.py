"""One grant at work: two guests, their link, and the region while they share a host."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from harness import clock
from harness.agent.answers import HandoverAnswer, Link, Links
from harness.agent.client import AgentClient, AgentRefused
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.region import Region
from harness.hosts.base import Host
from harness.model import naming
from harness.model.result import Handover, Path
from harness.model.topology import GrantSpec

PLUG_SECONDS = 30.0
HANDOVER_SECONDS = 10.0
LINK_SECONDS = 20.0
SETTLE_SECONDS = 5.0


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
        self.on_shm = False
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

    @property
    def plugged(self) -> bool:
        """Whether a region is in one of them, be it one that nobody knows any more."""
        return self.region is not None or any(
            self.alias_for(member) in member.regions() for member in (self.low, self.high)
        )

    def alias_for(self, member: Member) -> str:
        """The device's alias in that member: it names the peer."""
        return f"ua-domsock-{self._peer(member).name}"

    def _peer(self, member: Member) -> Member:
        return self.high if member is self.low else self.low

    def recover(self) -> None:
        """Learn from the members which region they share; after a restart of the harness.

        One that only one of them still has was left by a command that was killed half way:
        `share` takes it away before it makes another.
        """
        self.on_shm = self.link_of(self.low).path == "shm"
        names = {member.regions().get(self.alias_for(member)) for member in (self.low, self.high)}
        for name in filter(None, names):
            host = self.low.place.host
            self.region, self._region_host = Region.load(host, name), host
            self.generation = self.region.generation if self.region else 0

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

    def link_of(self, member: Member) -> Link:
        """The link as that member's agent sees it; a link that is down when it has none."""
        links = member.agent.ask(Links, "links").links
        peer = self._peer(member).name
        return next((link for link in links if link.peer == peer), Link(peer=peer))

    def _await_link(self, member: Member) -> None:
        clock.wait_until(
            lambda: self.link_of(member).state == "up",
            within=LINK_SECONDS,
            what=f"the link {self.name} to come up, seen from {member.name}",
        )

    def share(self) -> Change:
        """A fresh region into both members, and the link onto it.

        When that fails or is interrupted the region is taken away again and the link stays on
        TCP; what cannot be taken away now is, before the next region is plugged.
        """
        with self.events.span("share", grant=self.name) as done:
            begun = clock.now()
            try:
                self._clear()
                self._plug_fresh_region()
                plug_ms = (clock.now() - begun) * 1000
                handover = self._hand_over("shm")
            except (TestbedError, KeyboardInterrupt):
                self._clear_if_possible()
                raise
            done.update(plug_ms=plug_ms, duration_ms=handover.duration_ms)
        return Change(handover, plug_ms)

    def _plug_fresh_region(self) -> None:
        self.generation = self._next_generation()
        ids = (self.low.domain_id, self.high.domain_id)
        pair = (self.low.name, self.high.name)
        region = Region.fresh(self.testbed, pair, ids, self.spec.size, self.generation)
        host = self.low.place.host
        self.region, self._region_host = region, host
        region.create(host)
        self._both(self._plug)

    def _next_generation(self) -> int:
        """Higher than any before: each one costs the link an epoch, which its agents remember."""
        return max(self.generation, self.link_of(self.low).epoch) + 1

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

        Raises TestbedError when the handover was rolled back (the link is on shm as before), or
        when a device stays plugged (the link is on TCP; `share` or `part` finish the job).
        """
        with self.events.span("part", grant=self.name) as done:
            handover = self._hand_over("tcp")
            begun = clock.now()
            self._clear()
            plug_ms = (clock.now() - begun) * 1000
            done.update(plug_ms=plug_ms, duration_ms=handover.duration_ms)
        return Change(handover, plug_ms)

    def _hand_over(self, to: Path) -> Handover:
        with self.events.span("handover", grant=self.name, to=to) as done:
            try:
                answer = self._ask_for_handover(to)
            except TestbedError as error:
                if _certain(error) or not self._both_on(to):
                    raise
                answer = HandoverAnswer()  # it happened; only the answer was lost, or late
            self.on_shm = to == "shm"
            handover = Handover(
                epoch=answer.epoch,
                to=to,
                duration_ms=answer.duration_us / 1000,
                streams=answer.streams,
                bytes_in_ring_at_fence=answer.bytes_in_ring_at_fence,
                bytes_resent=answer.bytes_resent,
            )
            done.update(handover.model_dump())
        return handover

    def _ask_for_handover(self, to: Path) -> HandoverAnswer:
        return self.low.agent.ask(
            HandoverAnswer,
            "handover",
            within=HANDOVER_SECONDS + 5,
            peer=self.high.name,
            to=to,
            deadline_ms=int(HANDOVER_SECONDS * 1000),
        )

    def _both_on(self, to: Path) -> bool:
        """Whether the link has come to that path after all, as both agents see it."""
        try:
            return clock.wait_until(
                lambda: all(self.link_of(m).path == to for m in (self.low, self.high)),
                within=SETTLE_SECONDS,
                what=f"{self.name} to settle on {to}",
            )
        except TestbedError:
            return False

    def _clear(self) -> None:
        """No device in either member, no region file. The link must not be on shared memory.

        The file goes last: a region that one member still has plugged must stay known.
        """
        self._both(self._unplug)
        if self.region is not None and self._region_host is not None:
            self.region.destroy(self._region_host)
        self.region = self._region_host = None

    def _unplug(self, member: Member) -> None:
        """Every mapper lets go first. One that has nothing plugged is fine."""
        alias = self.alias_for(member)
        if alias in member.regions():
            member.agent.call("region.detach", peer=self._peer(member).name)
            member.detach_region(alias, within=PLUG_SECONDS)

    def _clear_if_possible(self) -> None:
        """After a failure; what stays is known, and is cleared before the next region comes."""
        try:
            self._clear()
        except TestbedError as error:
            self.events.emit("cleanup.failed", grant=self.name, error=str(error))

    def _both(self, action: Callable[[Member], None]) -> None:
        """Do it for both members side by side; the first error is raised after both ended."""
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(action, member) for member in (self.low, self.high)]:
                future.result()


def _certain(error: TestbedError) -> bool:
    """Whether a handover that failed like this surely did not happen."""
    return isinstance(error, AgentRefused) and error.code != "unconfirmed"
