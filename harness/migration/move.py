"""The choreography of a move (ARCHITECTURE.md, "Life of a migration").

handover shm → tcp, unplug, migrate, plug a fresh region, handover tcp → shm. When it fails at
any step the guest runs somewhere, its streams are open, and the links are back on shared memory
wherever both members are on one host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness import clock
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.grant import Change, Grant
from harness.guests.guest import Guest
from harness.guests.place import Place
from harness.migration import preflight
from harness.model.result import Migration
from harness.virt.domain import Domain
from harness.virt.job import JobResult, MigrationJob

SETTLE_SECONDS = 60.0
Watcher = Callable[[MigrationJob], None]


class Move:
    """One guest on its way to another host. `watcher` sees the running job (tests abort it)."""

    def __init__(
        self,
        guest: Guest,
        destination: Place,
        grants: Sequence[Grant],
        events: EventLog,
        *,
        bandwidth_mib: int = 0,
        watcher: Watcher = lambda _job: None,
    ) -> None:
        self.guest, self.destination, self.events = guest, destination, events
        self.source = guest.place
        self.grants = [grant for grant in grants if guest in (grant.low, grant.high)]
        self._bandwidth, self._watcher = bandwidth_mib, watcher

    def run(self) -> Migration:
        """Move it. Raises UsageError with nothing touched, or TestbedError after the roll-back."""
        preflight.check(self.guest, self.destination)
        route = {"source": self.source.name, "destination": self.destination.name}
        with self.events.span("move", guest=self.guest.name, **route) as done:
            begun = clock.now()
            left = self._leave()
            try:
                job = self._migrate()
            except (TestbedError, KeyboardInterrupt):
                self._roll_back()
                raise
            met = self._meet()
            total_ms = (clock.now() - begun) * 1000
            migration = self._measured(total_ms, job, left, met)
            done.update(own_ms=migration.own_ms, downtime_ms=migration.downtime_ms)
        return migration

    def _leave(self) -> list[Change]:
        """Every link of the guest onto TCP. When one refuses, those before it go back."""
        left: list[Change] = []
        try:
            for grant in self.grants:
                if grant.region is not None:
                    left.append(grant.part())
        except TestbedError:
            self._meet_where_possible()
            raise
        return left

    def _migrate(self) -> JobResult:
        with self.events.span("migrate", guest=self.guest.name) as done:
            self.guest.drop_agent()
            job = MigrationJob(
                self.guest.domain, self.destination.connection, self._bandwidth
            ).start()
            try:
                self._watcher(job)
                result = job.result()
            except KeyboardInterrupt:
                job.cancel()
                raise
            domain = Domain.find(self.destination.connection, self.guest.name)
            if domain is None:
                raise TestbedError(
                    f"libvirt says {self.guest.name} moved, but it is not there",
                    where=self.destination.name,
                )
            self.guest.moved_to(self.destination, domain)
            done.update(total_ms=result.total_ms, downtime_ms=result.downtime_ms)
        return result

    def _roll_back(self) -> None:
        """The guest did not move: wait until it runs on the source again, and share again."""
        with self.events.span("rollback", guest=self.guest.name):
            clock.wait_until(
                self.guest.domain.running,
                within=SETTLE_SECONDS,
                what=f"{self.guest.name} to run on {self.source.name} again",
            )
            self._meet_where_possible()

    def _meet(self) -> list[Change]:
        """A fresh region for every granted peer that lives here."""
        return [grant.share() for grant in self.grants if grant.together and grant.region is None]

    def _meet_where_possible(self) -> None:
        """As `_meet`, but a grant that cannot share stays on TCP: degraded, said, not dead."""
        try:
            self._meet()
        except TestbedError as error:
            self.events.emit("degraded", guest=self.guest.name, error=str(error))

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


def _plugging(changes: list[Change]) -> float:
    return sum(change.plug_ms for change in changes)


def _handing_over(changes: list[Change]) -> float:
    return sum(change.handover.duration_ms for change in changes)
