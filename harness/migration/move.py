"""The choreography of a move (ARCHITECTURE.md, "Life of a migration").

handover shm → tcp, unplug, migrate, plug a fresh region, handover tcp → shm. When it fails at
any step the guest runs somewhere, its streams are open, and the links are back on shared memory
wherever both members are on one host.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from harness import clock
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.forsaken import forsake_those_gone
from harness.grants.grant import Change, Grant
from harness.grants.region import Region
from harness.grants.routes import Routes
from harness.guests.guest import Guest
from harness.guests.place import Place
from harness.migration import preflight
from harness.migration.disks import Luggage
from harness.model.migration_mode import PRECOPY, MigrationMode
from harness.model.result import Migration
from harness.virt.domain import Domain
from harness.virt.job import JobResult, MigrationJob, Passage

SETTLE_SECONDS = 60.0


class Move:
    """One guest on its way to another host, alone or `together` with others.

    By `routes` all hosts are told where it is then: links without a network go through them.
    """

    def __init__(
        self,
        guest: Guest,
        destination: Place,
        grants: Sequence[Grant],
        events: EventLog,
        *,
        mode: MigrationMode = PRECOPY,
        routes: Routes | None = None,
    ) -> None:
        self.guest, self.destination, self.events = guest, destination, events
        self.source, self.mode, self.routes = guest.place, mode, routes
        self.grants = [grant for grant in grants if guest in (grant.low, grant.high)]
        self.left: list[Change] = []
        self.met: list[Change] = []
        self.job: MigrationJob | None = None
        self._luggage: Luggage | None = None  # known, and its room there perhaps made
        self.result: JobResult | None = None

    def run(self) -> Migration:
        """Move it. Raises UsageError with nothing touched, or TestbedError after the roll-back."""
        return together([self])[0]

    @property
    def route(self) -> dict[str, str]:
        """Who goes where, for events."""
        return {
            "guest": self.guest.name,
            "source": self.source.name,
            "destination": self.destination.name,
        }

    def leave(self) -> None:
        """Every link of the guest onto TCP, every region out of it."""
        if not self.mode.with_region:
            self.left = [grant.part() for grant in self.grants if grant.plugged]
            forsake_those_gone(self.guest, [self.source.host])

    def begin(self) -> None:
        """Start libvirt's job."""
        self.guest.drop_agent()
        domain, there = self.guest.domain, self.destination.connection
        self.job = MigrationJob(domain, there, self.mode, self._pack())
        self.job.start()

    def _pack(self) -> Passage:
        """What it needs on its way, with room made there for the disks that are copied."""
        domain, emulator = self.guest.domain, self.destination.emulator
        self._luggage = luggage = Luggage.of(domain)
        luggage.prepare(domain, self.destination)
        arrival = domain.run_by(emulator) if emulator != self.source.emulator else ""
        return Passage(luggage.targets, luggage.shared, arrival)

    def end(self) -> None:
        """Wait for libvirt's job, and find the guest."""
        assert self.job is not None
        self.result = self.job.result()
        self.find_guest()

    def cancel(self) -> None:
        """No job runs afterwards; there may have been none."""
        if self.job is not None:
            self.job.cancel()

    def find_guest(self) -> None:
        """Ask both hosts where the guest runs: whatever libvirt's call said, this is the truth."""

        def found() -> bool:
            for place in (self.destination, self.source):
                domain = _running_on(place, self.guest.domain.uuid)
                if domain is not None:
                    self.guest.moved_to(place, domain)
                    return True
            return False

        clock.wait_until(found, within=SETTLE_SECONDS, what=f"{self.guest.name} to run somewhere")
        self._clear_out()

    def _clear_out(self) -> None:
        """No copy of its disks stays where the guest is not. To be asked once it was found."""
        for place in (self.source, self.destination):
            if self._luggage is None or place.name == self.guest.place.name:
                continue
            try:
                self._luggage.discard(place)
            except TestbedError as error:
                self.events.emit("cleanup.failed", guest=self.guest.name, error=str(error))

    def measured(self, total_ms: float) -> Migration:
        """What it took. Of several moves at once each has the whole time."""
        assert self.result is not None
        detach_ms, attach_ms = _plugging(self.left), _plugging(self.met)
        changes = [*self.left, *self.met]
        return Migration(
            guest=self.guest.name,
            source=self.source.name,
            destination=self.destination.name,
            total_ms=total_ms,
            call_ms=self.result.call_ms,
            downtime_ms=self.result.downtime_ms,
            downtime_qemu_ms=self.result.qemu_downtime_ms,
            handover_out_ms=_handing_over(self.left),
            handover_back_ms=_handing_over(self.met),
            detach_ms=detach_ms,
            attach_ms=attach_ms,
            own_ms=total_ms - self.result.call_ms - detach_ms - attach_ms,
            bytes_in_ring_at_fence=sum(c.handover.bytes_in_ring_at_fence for c in changes),
            bytes_resent=sum(c.handover.bytes_resent for c in changes),
        )


def together(moves: Sequence[Move]) -> list[Migration]:
    """Move all of them at once. Raises UsageError with nothing touched, or the first failure's
    TestbedError after the roll-back.

    No link is handed over while one of its members is on its way: all leave, all migrate, all meet.
    """
    for move in moves:
        preflight.check(move.guest, move.destination)
    return _Journey(moves).run()


class _Journey:
    """Moves that share their fate, and the regions that are made for their arrival."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self.moves, self.events = moves, moves[0].events
        self.grants = list({id(g): g for move in moves for g in move.grants}.values())
        self._prepared: dict[str, Region] = {}  # by grant: made there while libvirt is at work

    def run(self) -> list[Migration]:
        with ExitStack() as spans:
            done = [spans.enter_context(self.events.span("move", **m.route)) for m in self.moves]
            begun = clock.now()
            try:
                for move in self.moves:
                    move.leave()
                self._migrate()
                self._tell_hosts()
                self._meet()
            except BaseException:  # Ctrl-C, too
                self._roll_back()
                raise
            total_ms = (clock.now() - begun) * 1000
            migrations = [move.measured(total_ms) for move in self.moves]
            for more, migration in zip(done, migrations, strict=True):
                more.update(own_ms=migration.own_ms, downtime_ms=migration.downtime_ms)
        return migrations

    def _migrate(self) -> None:
        with ExitStack() as spans:
            done = [
                spans.enter_context(self.events.span("migrate", guest=move.guest.name))
                for move in self.moves
            ]
            try:
                for move in self.moves:
                    move.begin()
                self._do_errands()
                for move in self.moves:
                    move.end()
            except BaseException:
                for move in self.moves:
                    move.cancel()
                raise
            for more, move in zip(done, self.moves, strict=True):
                more.update(_figures(move.result))

    def _do_errands(self) -> None:
        """What can be done while libvirt is at work: old regions' files go, new ones are made,
        and whom to tell of the guests' whereabouts is asked for.

        A region is made where the grant's members will meet, and only if one of them does not
        move: that one's agent knows what generation is due.
        """
        if (routes := self.moves[0].routes) is not None:
            routes.learn()
        for grant in self.grants:
            grant.tidy()
            if len(movers := [move for move in self.moves if grant in move.grants]) > 1:
                continue
            there = movers[0].destination.host
            if grant.shares and grant.has_member_on(there):
                try:
                    self._prepared[grant.name] = grant.prepare(there)
                except TestbedError as error:  # `share` tries again
                    self.events.emit("prepare.failed", grant=grant.name, error=str(error))

    def _tell_hosts(self) -> None:
        if (routes := self.moves[0].routes) is not None:
            routes.tell()

    def _roll_back(self) -> None:
        """Find the guests, and share memory again with whoever is there. The error that brought
        us here is the one to tell; trouble in here is only noted (rollback.failed).
        """
        self._prepared.clear()
        names = ", ".join(move.guest.name for move in self.moves)
        with suppress(TestbedError), self.events.span("rollback", guest=names):
            lost = [error for move in self.moves if (error := _lost(move))]
            self._tell_hosts()
            self._meet()
            if lost:
                raise lost[0]
        for grant in self.grants:
            grant.tidy()

    def _meet(self) -> None:
        """A fresh region for every granted pair that lives on one host.

        A grant that cannot share stays on TCP: degraded and said so, not dead; nor does it keep
        the others from sharing.
        """
        for grant in self.grants:
            if grant.should_share and not grant.on_shm:
                try:
                    met = grant.share(self._prepared.get(grant.name))
                except TestbedError as error:
                    self.events.emit("degraded", grant=grant.name, error=str(error))
                    continue
                next(move for move in self.moves if grant in move.grants).met.append(met)


def _lost(move: Move) -> TestbedError | None:
    """Find the guest of a move; why it runs nowhere, if it does not."""
    try:
        move.find_guest()
        return None
    except TestbedError as error:
        return error


def _running_on(place: Place, uuid: str) -> Domain | None:
    """The guest, if it runs there. A host that does not answer does not hide the other."""
    try:
        domain = Domain.find(place.connection, uuid)
        return domain if domain is not None and domain.running() else None
    except TestbedError:
        return None


def _figures(result: JobResult | None) -> dict[str, Any]:
    return {"total_ms": result.total_ms, "downtime_ms": result.downtime_ms} if result else {}


def _plugging(changes: list[Change]) -> float:
    return sum(change.plug_ms for change in changes)


def _handing_over(changes: list[Change]) -> float:
    return sum(change.handover.duration_ms for change in changes)
