"""One grant at work: two domains, their link, and the region while they share a host."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from harness import clock
from harness.agent.answers import HandoverAnswer, Link, Links
from harness.agent.client import AgentRefused
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.host_domain import HostDomain
from harness.grants.member import Member
from harness.grants.region import Region
from harness.hosts.base import Host
from harness.model import naming
from harness.model.grant_table import Granted
from harness.model.result import Handover, Path

T = TypeVar("T")

PLUG_SECONDS = 30.0
HANDOVER_SECONDS = 10.0
LINK_SECONDS = 20.0
SETTLE_SECONDS = 5.0
LET_GO_SECONDS = 5.0
KEY_BYTES = 32
NOWHERE_ELSE: Mapping[str, str] = MappingProxyType({})
OFF_MEMORY = ("tcp", "relay")  # whichever way the agents' connection takes


@dataclass(frozen=True)
class Change:
    """What sharing or parting took, in milliseconds; `plug_ms` is waiting for libvirt and guest."""

    handover: Handover
    plug_ms: float


class Grant:
    """The relation of two guests, or of a guest and a host.

    Its link always exists, over the guest network of index `network`, or through the hosts where
    that leads nowhere or there is none (None); its region exists only
    while both are on one host, and only if the grant `shares`: not when it was revoked, nor when
    one of them is released. `region` is the one that may be plugged in either of them: while
    there is one, no file is destroyed.
    """

    def __init__(
        self,
        row: Granted,
        members: tuple[Member, Member],
        testbed: str,
        events: EventLog,
        network: int | None = 0,
    ) -> None:
        low, high = sorted(members, key=_rank)
        self.row, self.testbed, self.events, self.network = row, testbed, events, network
        self.low, self.high = low, high
        self.shares = row.shares
        self.generation = 0
        self.region: Region | None = None
        self._files: dict[Region, Host] = {}  # every region that has a file, or may have one

    @property
    def name(self) -> str:
        """The pair, for messages."""
        return f"{self.low.name}-{self.high.name}"

    @property
    def together(self) -> bool:
        """Whether both members are on one host now."""
        return self.low.place.host.name == self.high.place.host.name

    @property
    def should_share(self) -> bool:
        """Whether a region is due to them now."""
        return self.shares and self.together

    def has_member_on(self, host: Host) -> bool:
        """Whether one of them lives there."""
        return host.name in (self.low.place.host.name, self.high.place.host.name)

    @property
    def plugged(self) -> bool:
        """Whether a region is in one of them, be it one that nobody knows any more."""
        return self.region is not None or any(
            self.alias_for(member) in member.regions() for member in (self.low, self.high)
        )

    @property
    def on_shm(self) -> bool:
        """Whether the link takes the region, as the low agent says; False when it does not say."""
        link = self._settled(self.low) if self.region is not None else None
        return link is not None and link.path == "shm"

    def alias_for(self, member: Member) -> str:
        """The device's alias in that member: it names the peer."""
        return naming.region_alias(self._peer(member).name)

    def _peer(self, member: Member) -> Member:
        return self.high if member is self.low else self.low

    def recover(self, elsewhere: Iterable[Host] = ()) -> None:
        """Learn from the members' hosts, and those `elsewhere`, which regions there are; after a
        restart of the harness.

        Those that a command which was killed half way left behind are taken away by `tidy`, or
        when the grant parts or shares.
        """
        members = (self.low, self.high)
        plugged = {member.regions().get(self.alias_for(member)) for member in members}
        hosts = [*elsewhere, *(member.place.host for member in members)]
        for host in {host.name: host for host in hosts}.values():
            for region in Region.recorded(host, self.testbed, (self.low.name, self.high.name)):
                self._files[region] = host
                self.generation = max(self.generation, region.generation)
                if region.name in plugged:
                    self.region = region

    def introduce(self) -> None:
        """Tell both agents of each other, and wait until their link is up."""
        self.tell()
        for member in (self.low, self.high):
            self._await_link(member)

    def tell(self, found_at: Mapping[str, str] = NOWHERE_ELSE) -> None:
        """Both agents know of each other afterwards, by a key that nobody had before: one that
        knew the other already goes on as it was, and their next connection takes the new key.

        `found_at` has the addresses of members that were found elsewhere than the other one knows.
        """
        key = secrets.token_hex(KEY_BYTES)
        self._both(lambda member: self._add_link(member, key, found_at))

    def forget(self) -> None:
        """The agents know each other no more: open streams end at both ends. What is plugged has
        to be taken away before (`part`).
        """
        self._both(self._remove_link)

    def _remove_link(self, member: Member) -> None:
        remove_link(member, self._peer(member).name, self.testbed)

    def _add_link(self, member: Member, key: str, found_at: Mapping[str, str]) -> None:
        peer = self._peer(member)
        address = found_at.get(peer.name) or self._address_of(peer, member)
        where: dict[str, Any] = {"address": address, "port": naming.AGENT_PORT} if address else {}
        member.agent.call(
            "link.add",
            peer=peer.name,
            peer_id=peer.domain_id,
            owner=self.testbed,
            key=key,
            **where,
        )

    def _address_of(self, peer: Member, member: Member) -> str:
        """Where it listens, as the other one was told last, or as it was planned; empty if the
        two have no network in common.
        """
        if self.network is None:
            return ""
        planned = naming.guest_address(peer.domain_id, self.network)
        return self.link_of(member).address or planned

    def link_of(self, member: Member) -> Link:
        """The link as that member's agent sees it; a link that is down when it has none."""
        links = member.agent.ask(Links, "links", within=SETTLE_SECONDS).links
        peer = self._peer(member).name
        ours = (link for link in links if link.owner in ("", self.testbed))  # a host is shared
        return next((link for link in ours if link.peer == peer), Link(peer=peer))

    def _settled(self, member: Member) -> Link | None:
        """The link when no handover is on, as that agent sees it; None when it does not say."""

        def link() -> Link | None:
            seen = self.link_of(member)
            return seen if seen.phase in ("idle", "committed") else None

        try:
            return clock.wait_until(link, within=SETTLE_SECONDS, what=f"{self.name} to settle")
        except TestbedError:
            return None

    def _off_memory(self) -> bool:
        """Whether the link is certainly not on shared memory.

        One end that says so is enough: a path is left for good only after both have emptied it.
        """
        links = (self._settled(member) for member in (self.low, self.high))
        return any(link is not None and link.path in OFF_MEMORY for link in links)

    def _await_link(self, member: Member) -> None:
        clock.wait_until(
            lambda: self.link_of(member).state == "up",
            within=LINK_SECONDS,
            what=f"the link {self.name} to come up, seen from {member.name}",
        )

    def prepare(self, host: Host) -> Region:
        """A fresh region's file on that host, where a member lives: `share` can plug it at once.

        It is known before it is made: whatever happens to its making, `tidy` takes it away.
        """
        self.generation = self._next_generation(host)
        ids = (self.low.domain_id, self.high.domain_id)
        pair = (self.low.name, self.high.name)
        region = Region.fresh(self.testbed, pair, ids, self.row.spec.size, self.generation)
        self._files[region] = host
        region.create(host)
        return region

    def _next_generation(self, host: Host) -> int:
        """Higher than any before: each one costs the link an epoch, which its agents remember."""
        members = (self.low, self.high)
        witness = next(member for member in members if member.place.host.name == host.name)
        return max(self.generation, self.link_of(witness).epoch) + 1

    def share(self, prepared: Region | None = None) -> Change:
        """A fresh region into both members, a fresh key for their link, and the link onto it.

        When that fails or is interrupted, region and devices are taken away again and the link
        stays on TCP; what cannot be taken away now is before the next region is plugged.
        """
        with self.events.span("share", grant=self.name) as done:
            begun = clock.now()
            try:
                self._unplug_both()
                self.tidy(keep=prepared)
                self.tell()
                self.region = prepared or self.prepare(self.low.place.host)
                self._both(self._plug)
                plug_ms = (clock.now() - begun) * 1000
                handover = self._hand_over("shm")
            except BaseException:  # Ctrl-C, too
                self._withdraw()
                raise
            done.update(plug_ms=plug_ms, duration_ms=handover.duration_ms)
        return Change(handover, plug_ms)

    def _withdraw(self) -> None:
        """After a failure: no device and no file, unless the link may be using them."""
        try:
            if self.region is not None and not self._off_memory():
                raise TestbedError(f"the link {self.name} may be on shared memory")
            self._unplug_both()
            self.tidy()
        except TestbedError as error:
            self.events.emit("cleanup.failed", grant=self.name, error=str(error))

    def _plug(self, member: Member) -> None:
        assert self.region is not None
        region, alias = self.region, self.alias_for(member)
        file = member.attach_region(region.name, region.size, alias)
        member.agent.call(
            "region.attach",
            within=PLUG_SECONDS + 5,
            peer=self._peer(member).name,
            nonce=region.nonce,
            deadline_ms=int(PLUG_SECONDS * 1000),
            **({"file": file} if file else {}),
        )

    def part(self) -> Change:
        """The link onto TCP and the region out of both members; its file is left to `tidy`.

        Raises TestbedError when the handover was rolled back (the link is on shm as before), or
        when a device stays plugged (degraded: the link is on TCP, and the next `share` or `part`
        finishes the job).
        """
        with self.events.span("part", grant=self.name) as done:
            self._reacquaint()
            handover = self._hand_over("tcp")
            begun = clock.now()
            try:
                self._unplug_both()
            except TestbedError as error:
                self.events.emit("degraded", grant=self.name, error=str(error))
                raise
            plug_ms = (clock.now() - begun) * 1000
            done.update(plug_ms=plug_ms, duration_ms=handover.duration_ms)
        return Change(handover, plug_ms)

    def _reacquaint(self) -> None:
        """An agent that was started anew knows nobody, and a handover takes two. Who says nothing
        now is not waited for here.
        """
        try:
            know = self._both(lambda member: self.link_of(member).state == "up")
        except TestbedError:
            return
        if not all(know):
            self.introduce()

    def _hand_over(self, to: Path) -> Handover:
        with self.events.span("handover", grant=self.name, to=to) as done:
            try:
                answer = self._ask_for_handover(to)
            except TestbedError:
                link = self._settled(self.low)
                if link is None or (link.path == "shm") != (to == "shm"):
                    raise
                # only the answer was lost, or late
                answer = HandoverAnswer(epoch=link.epoch, to=link.path)
                self._settled(self.high)  # which may have yet to hear of it
            handover = Handover(
                epoch=answer.epoch,
                to=to if answer.to == "none" else answer.to,
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

    def _unplug_both(self) -> None:
        """No device in either member afterwards; until both are out the region stays known."""
        self._both(self._unplug)
        self.region = None

    def _unplug(self, member: Member) -> None:
        """Every mapper lets go first. One that has nothing plugged is fine."""
        alias = self.alias_for(member)
        if alias in member.regions():
            self._let_go(member)
            member.detach_region(alias, within=PLUG_SECONDS)

    def _let_go(self, member: Member) -> None:
        """Its agent unmaps the region. One that hangs is passed over if nothing can be lost."""
        peer = self._peer(member).name
        try:
            member.agent.call("region.detach", within=LET_GO_SECONDS, peer=peer)
        except AgentRefused as refusal:
            if refusal.code != "no-link":
                raise
        except TestbedError as error:
            if not self._off_memory():
                raise
            why = f"{member.name} did not let go of the region: {error}"
            self.events.emit("degraded", grant=self.name, error=why)

    def tidy(self, keep: Region | None = None) -> None:
        """Destroy the files that no member has plugged; those that resist stay known."""
        for region, host in [] if self.region else list(self._files.items()):
            if region == keep:
                continue
            try:
                region.destroy(host)
                del self._files[region]
            except TestbedError as error:
                self.events.emit("cleanup.failed", grant=self.name, error=str(error))

    def _both(self, action: Callable[[Member], T]) -> list[T]:
        """Do it for both members side by side; the first error is raised after both ended."""
        with ThreadPoolExecutor(2) as pool:
            doing = [pool.submit(action, member) for member in (self.low, self.high)]
        return [future.result() for future in doing]


def _rank(member: Member) -> int:
    """The lower domain id first. A host's is above those of all guests: it is not asked for that,
    because its agent may be away.
    """
    return naming.FIRST_HOST_ID if isinstance(member, HostDomain) else member.domain_id


def remove_link(member: Member, peer: str, testbed: str) -> None:
    """That member's agent forgets the peer, and its streams with it end; it may have none."""
    try:
        member.agent.call("link.remove", peer=peer, owner=testbed, policy="reset")
    except AgentRefused as refusal:
        if refusal.code != "no-link":
            raise
