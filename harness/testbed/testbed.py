"""A running testbed, as every command and test sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.errors import GuestGone, TestbedError, UsageError
from harness.events import EventLog
from harness.grants.domains import Domains
from harness.grants.grant import Grant
from harness.grants.host_domain import HostDomain
from harness.grants.routes import Routes
from harness.guests.guest import Guest
from harness.guests.place import Place
from harness.hosts.base import Host
from harness.migration.move import Move, together
from harness.model import naming
from harness.model.grant_table import Granted, Pair
from harness.model.migration_mode import PRECOPY, MigrationMode
from harness.model.result import Migration
from harness.model.topology import Topology
from harness.testbed.record import TestbedRecord
from harness.virt.domain import Domain
from harness.virt.emulator import DEFAULT


class Testbed:
    """Hosts, guests and grants, joined. Close it when done: it holds connections only."""

    __test__ = False

    def __init__(
        self,
        record: TestbedRecord,
        places: dict[str, Place],
        guests: dict[str, Guest],
        events: EventLog,
    ) -> None:
        self.record, self.places, self.guests, self.events = record, places, guests, events
        hosts = {name: place.host for name, place in places.items()}
        self.hosts = {name: HostDomain(host, record.testbed_id) for name, host in hosts.items()}
        self.routes = Routes(
            record.testbed_id,
            record.relay_key,
            hosts,
            guests,
            events,
            self.granted_hosts,
            record.topology.hosts,
        )
        ids = {name: record.topology.guest_id(name) for name in record.topology.guests}
        self.domains = Domains(record.testbed_id, ids, self.routes.host_ids, events)
        there = {**guests, **self.hosts}
        self.grants = [
            self.grant_of(row) for row in record.grants if all(name in there for name in row.pair)
        ]

    def grant_of(self, row: Granted) -> Grant:
        """The grant at work, of a row whose guests run, and whose host is one that answers."""
        topology, (one, other) = self.record.topology, row.pair
        common = topology.common_network(row.pair)
        network = topology.network_index(common) if common else None
        members = self.member(one), self.member(other)
        grant = Grant(row, members, self.record.testbed_id, self.events, network)
        grant.shares = row.shares and not any(map(self.released, row.pair))
        return grant

    def member(self, name: str) -> Guest | HostDomain:
        """The guest of that name, or the host. Raises UsageError naming those there are."""
        if name in self.record.topology.hosts:
            return self.hosts[self.place(name).name]
        return self.guest(name)

    def granted_hosts(self) -> set[str]:
        """The hosts that are domains of grants."""
        return {name for row in self.record.grants for name in row.pair} & self.places.keys()

    def grant_between(self, pair: Pair) -> Grant | None:
        """The grant of two that are there; None when they have none."""
        return next((grant for grant in self.grants if grant.row.pair == pair), None)

    def released(self, guest: str) -> bool:
        """Whether somebody is to move it by hand: from this very stay, another one ends that."""
        known, stay = self.guests.get(guest), self.record.released.get(guest)
        return known is not None and stay is not None and stay == known.stay

    @classmethod
    def connect(cls, record: TestbedRecord, hosts: Iterable[Host], events: EventLog) -> Testbed:
        """Find a testbed that runs: the hosts are asked where its guests are."""
        return cls.find(record, reach(record.topology, hosts), events)

    @classmethod
    def find(cls, record: TestbedRecord, places: dict[str, Place], events: EventLog) -> Testbed:
        """The same with hosts that are connected already."""
        guests: dict[str, Guest] = {}
        for name in record.topology.guests:
            found = locate(places, naming.domain_uuid(record.testbed_id, name))
            if found:
                domain, place = found
                domain_id = record.topology.guest_id(name)
                guests[name] = Guest(name, domain_id, domain, place, events)
        return cls(record, places, guests, events)

    def whereabouts(self, name: str) -> tuple[Domain, Place] | None:
        """Where that guest is now, whatever was known of it; None if it runs nowhere."""
        return locate(self.places, naming.domain_uuid(self.record.testbed_id, name))

    def recover_grants(self) -> None:
        """Ask the agents what they share now; takes their control channels."""
        for grant in self.grants:
            grant.recover()

    def guest(self, name: str) -> Guest:
        """The guest of that name. Raises UsageError naming those there are."""
        if name in self.guests:
            return self.guests[name]
        if name in self.record.topology.guests:
            raise TestbedError(
                f"{name} no longer runs on any host", fix="testbed down, then testbed up"
            )
        raise unknown("guest", name, self.record.topology.guests)

    def place(self, name: str) -> Place:
        """The host of that name. Raises UsageError naming those there are."""
        if name in self.places:
            return self.places[name]
        if name in self.record.topology.hosts:
            raise TestbedError(f"{name} does not answer now", fix="testbed doctor")
        raise unknown("host", name, self.record.topology.hosts)

    def migrate(self, guest: str, to: str, *, mode: MigrationMode = PRECOPY) -> Migration:
        """Move a guest with its streams open (harness.migration.move)."""
        return self.migrate_together([(guest, to)], mode=mode)[0]

    def migrate_together(
        self, ways: Sequence[tuple[str, str]], *, mode: MigrationMode = PRECOPY
    ) -> list[Migration]:
        """Move several guests at once; `ways` are guests and their destinations."""
        for name in (guest for guest, _ in ways if self.released(guest)):
            raise UsageError(
                f"{name} is released: somebody moves it by hand", fix=f"testbed manage {name}"
            )
        return together(
            [
                Move(
                    self.guest(guest),
                    self.place(to),
                    self.grants,
                    self.events,
                    mode=mode,
                    routes=self.routes,
                )
                for guest, to in ways
            ]
        )

    def drop_agents(self) -> None:
        """Leave the agents' control channels to whoever comes next."""
        for guest in self.guests.values():
            guest.drop_agent()

    def close(self) -> None:
        """Let go of every connection; the testbed runs on."""
        self.drop_agents()
        for place in self.places.values():
            place.close()


def reach(topology: Topology, hosts: Iterable[Host]) -> dict[str, Place]:
    """Connect to every host's libvirtd."""
    emulators = {name: spec.qemu or DEFAULT for name, spec in topology.hosts.items()}
    return {host.name: Place.reach(host, emulators[host.name]) for host in hosts}


def locate(places: dict[str, Place], uuid: str) -> tuple[Domain, Place] | None:
    """Where a guest's domain is. During a move two hosts know it: the one where it runs counts."""
    found = [
        (domain, place)
        for place in places.values()
        if (domain := Domain.find(place.connection, uuid)) is not None
    ]
    running = [pair for pair in found if _runs(pair[0])]
    return next(iter(running or found), None)


def _runs(domain: Domain) -> bool:
    """Whether it runs there; one that has just left does not."""
    try:
        return domain.running()
    except GuestGone:
        return False


def unknown(kind: str, name: str, valid: Iterable[str]) -> UsageError:
    """The refusal of a name that the topology does not have."""
    return UsageError(f"there is no {kind} {name!r}", fix=f"choose one of {', '.join(valid)}")
