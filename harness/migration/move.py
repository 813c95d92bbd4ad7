"""The choreography of a move (ARCHITECTURE.md, "Life of a migration").

handover shm → tcp, unplug, migrate, plug a fresh region, handover tcp → shm. When it fails at
any step the guest runs somewhere, its streams are open, and the links are back on shared memory
wherever both members are on one host.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from harness import clock
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.grant import Change, Grant
from harness.grants.region import Region
from harness.guests.guest import Guest
from harness.guests.place import Place
from harness.migration import preflight
from harness.migration.disks import Luggage
from harness.model.result import Migration
from harness.virt.domain import Domain
from harness.virt.job import JobResult, MigrationJob, Passage

SETTLE_SECONDS = 60.0


class Move:
    """One guest on its way to another host."""

    def __init__(
        self,
        guest: Guest,
        destination: Place,
        grants: Sequence[Grant],
        events: EventLog,
        *,
        bandwidth_mib: int = 0,
    ) -> None:
        self.guest, self.destination, self.events = guest, destination, events
        self.source = guest.place
        self.grants = [grant for grant in grants if guest in (grant.low, grant.high)]
        self._bandwidth = bandwidth_mib
        self._luggage: Luggage | None = None  # known, and its room there perhaps made
        self._prepared: dict[str, Region] = {}  # by grant: made there while libvirt is at work

    def run(self) -> Migration:
        """Move it. Raises UsageError with nothing touched, or TestbedError after the roll-back."""
        preflight.check(self.guest, self.destination)
        route = {"source": self.source.name, "destination": self.destination.name}
        with self.events.span("move", guest=self.guest.name, **route) as done:
            begun = clock.now()
            try:
                left = self._leave()
                job = self._migrate()
                met = self._meet()
            except BaseException:  # Ctrl-C, too
                self._roll_back()
                raise
            total_ms = (clock.now() - begun) * 1000
            migration = self._measured(total_ms, job, left, met)
            done.update(own_ms=migration.own_ms, downtime_ms=migration.downtime_ms)
        return migration

    def _leave(self) -> list[Change]:
        """Every link of the guest onto TCP, every region out of it."""
        return [grant.part() for grant in self.grants if grant.plugged]

    def _migrate(self) -> JobResult:
        with self.events.span("migrate", guest=self.guest.name) as done:
            self.guest.drop_agent()
            domain, there = self.guest.domain, self.destination.connection
            job = MigrationJob(domain, there, self._bandwidth, self._pack())
            try:
                job.start()
                self._do_errands()
                result = job.result()
            except BaseException:
                job.cancel()
                raise
            self._find_guest()
            self._clear_out()
            done.update(total_ms=result.total_ms, downtime_ms=result.downtime_ms)
        return result

    def _pack(self) -> Passage:
        """What it needs on its way, with room made there for the disks that are copied."""
        domain, emulator = self.guest.domain, self.destination.emulator
        self._luggage = luggage = Luggage.of(domain)
        luggage.prepare(domain, self.destination)
        arrival = domain.run_by(emulator) if emulator != self.source.emulator else ""
        return Passage(luggage.targets, luggage.shared, arrival)

    def _clear_out(self) -> None:
        """No copy of its disks stays where the guest is not. To be asked once it was found."""
        for place in (self.source, self.destination):
            if self._luggage is None or place.name == self.guest.place.name:
                continue
            try:
                self._luggage.discard(place)
            except TestbedError as error:
                self.events.emit("cleanup.failed", guest=self.guest.name, error=str(error))

    def _do_errands(self) -> None:
        """What can be done while libvirt is at work: old regions' files go, new ones are made."""
        there = self.destination.host
        for grant in self.grants:
            grant.tidy()
            if grant.has_member_on(there):
                try:
                    self._prepared[grant.name] = grant.prepare(there)
                except TestbedError as error:  # `share` tries again
                    self.events.emit("prepare.failed", grant=grant.name, error=str(error))

    def _find_guest(self) -> None:
        """Ask both hosts where the guest runs: whatever libvirt's call said, this is the truth."""

        def found() -> bool:
            for place in (self.destination, self.source):
                domain = _running_on(place, self.guest.name)
                if domain is not None:
                    self.guest.moved_to(place, domain)
                    return True
            return False

        clock.wait_until(found, within=SETTLE_SECONDS, what=f"{self.guest.name} to run somewhere")

    def _roll_back(self) -> None:
        """Find the guest, and share memory again with whoever is there. The error that brought
        us here is the one to tell; trouble in here is only noted (rollback.failed).
        """
        self._prepared.clear()
        with suppress(TestbedError), self.events.span("rollback", guest=self.guest.name):
            self._find_guest()
            self._clear_out()
            self._meet()
        for grant in self.grants:
            grant.tidy()

    def _meet(self) -> list[Change]:
        """A fresh region for every granted peer that lives here.

        A grant that cannot share stays on TCP: degraded and said so, not dead; nor does it keep
        the others from sharing.
        """
        met = []
        for grant in self.grants:
            if grant.together and not grant.on_shm:
                try:
                    met.append(grant.share(self._prepared.get(grant.name)))
                except TestbedError as error:
                    self.events.emit("degraded", grant=grant.name, error=str(error))
        return met

    def _measured(
        self, total_ms: float, job: JobResult, left: list[Change], met: list[Change]
    ) -> Migration:
        detach_ms, attach_ms = _plugging(left), _plugging(met)
        changes = [*left, *met]
        return Migration(
            guest=self.guest.name,
            source=self.source.name,
            destination=self.destination.name,
            total_ms=total_ms,
            call_ms=job.call_ms,
            downtime_ms=job.downtime_ms,
            handover_out_ms=_handing_over(left),
            handover_back_ms=_handing_over(met),
            detach_ms=detach_ms,
            attach_ms=attach_ms,
            own_ms=total_ms - job.call_ms - detach_ms - attach_ms,
            bytes_in_ring_at_fence=sum(c.handover.bytes_in_ring_at_fence for c in changes),
            bytes_resent=sum(c.handover.bytes_resent for c in changes),
        )


def _running_on(place: Place, name: str) -> Domain | None:
    """The guest, if it runs there. A host that does not answer does not hide the other."""
    try:
        domain = Domain.find(place.connection, name)
        return domain if domain is not None and domain.running() else None
    except TestbedError:
        return None


def _plugging(changes: list[Change]) -> float:
    return sum(change.plug_ms for change in changes)


def _handing_over(changes: list[Change]) -> float:
    return sum(change.handover.duration_ms for change in changes)
