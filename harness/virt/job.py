"""A live migration as libvirt runs it."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import libvirt

from harness import clock
from harness.errors import DeadlineExceeded, TestbedError
from harness.model.migration_mode import PRECOPY, MigrationMode
from harness.virt.connection import Connection
from harness.virt.domain import Domain
from harness.virt.own_downtime import OwnDowntime

MIGRATION_SECONDS = 600.0
CANCEL_SECONDS = 60.0
EVENT_SECONDS = 2.0
ABORT_EVERY_SECONDS = 0.2
STEER_EVERY_SECONDS = 0.02


@dataclass(frozen=True)
class JobResult:
    """What libvirt said of a finished migration, and QEMU where it could be asked; times in
    milliseconds.
    """

    call_ms: float
    total_ms: float
    downtime_ms: float
    qemu_downtime_ms: float | None = None


@dataclass(frozen=True)
class Passage:
    """What a guest needs on its way beside its memory.

    `copied` are the targets of disks that libvirt copies. With `shared` disks its check for a
    shared file system is left out: it does not know ours, and they bypass the page cache.
    `arrival` is the domain as the destination is to run it, when not as it runs here.
    """

    copied: tuple[str, ...] = ()
    shared: bool = False
    arrival: str = ""

    @property
    def flags(self) -> int:
        """libvirt's flags for it."""
        copying = libvirt.VIR_MIGRATE_NON_SHARED_INC if self.copied else 0
        return copying | (libvirt.VIR_MIGRATE_UNSAFE if self.shared else 0)

    @property
    def parameters(self) -> dict[str, Any]:
        """libvirt's parameters for it."""
        copied = {libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: list(self.copied)}
        arrival = {libvirt.VIR_MIGRATE_PARAM_DEST_XML: self.arrival}
        return {**(copied if self.copied else {}), **(arrival if self.arrival else {})}


class MigrationFailed(TestbedError):
    """libvirt refused a migration or gave it up; `code` is its error's number.

    `cancelled`: libvirt had taken our abort before. Which of the broken connections it then tells
    of is chance: where disks are copied it may be theirs.
    """

    def __init__(
        self, what: str, *, where: str, why: str, code: int, cancelled: bool = False
    ) -> None:
        super().__init__(what, where=where, why=why)
        self.code, self.cancelled = code, cancelled

    @property
    def aborted(self) -> bool:
        """Whether it ended because somebody cancelled it."""
        return self.cancelled or bool(self.code == libvirt.VIR_ERR_OPERATION_ABORTED)

    @property
    def refused(self) -> bool:
        """Whether libvirt or QEMU said that it cannot be done, or not like this."""
        return self.code in REFUSALS


REFUSALS = (
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_INTERNAL_ERROR,  # QEMU's own refusals come as this
)


def flags(mode: MigrationMode) -> int:
    """libvirt's flags for a mode."""
    wanted = {
        libvirt.VIR_MIGRATE_POSTCOPY: mode.postcopy,
        libvirt.VIR_MIGRATE_PARALLEL: mode.channels > 0,
        libvirt.VIR_MIGRATE_AUTO_CONVERGE: mode.auto_converge,
        libvirt.VIR_MIGRATE_TLS: mode.tls,
        libvirt.VIR_MIGRATE_TUNNELLED: mode.tunnelled,
        libvirt.VIR_MIGRATE_COMPRESSED: bool(mode.compression),
    }
    always = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
    return int(always | sum(flag for flag, on in wanted.items() if on))


def parameters(mode: MigrationMode, destination: str) -> dict[str, Any]:
    """libvirt's typed parameters for a mode.

    `destination` is the name in that host's certificate: left to itself, libvirt 9.0 has disks
    that are copied beside parallel connections checked against no name, which fits no certificate.
    """
    wanted = {
        libvirt.VIR_MIGRATE_PARAM_TLS_DESTINATION: destination if mode.tls else "",
        libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: mode.bandwidth_mib,
        libvirt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS: mode.channels,
        libvirt.VIR_MIGRATE_PARAM_COMPRESSION: mode.compression,
    }
    return {name: value for name, value in wanted.items() if value}


class MigrationJob:
    """One call of virDomainMigrateToURI3 in a thread of its own, watched from outside.

    Peer-to-peer, so that a harness that dies does not cancel it: the guest then arrives anyway.
    """

    def __init__(
        self,
        domain: Domain,
        destination: Connection,
        mode: MigrationMode = PRECOPY,
        passage: Passage | None = None,
    ) -> None:
        self.domain, self.destination, self.mode = domain, destination, mode
        self._passage = passage or Passage()
        self._error: BaseException | None = None
        self._seconds = 0.0
        self._since = domain.connection.mark()
        self._ended = threading.Event()
        self._cancelled = False
        self.own_downtime = OwnDowntime(domain, self._since, lambda: self.running)
        self._thread = threading.Thread(target=self._migrate, name="migrate", daemon=True)

    def start(self) -> MigrationJob:
        """Begin, and return at once."""
        self._thread.start()
        self.own_downtime.start()
        return self

    def _migrate(self) -> None:
        begun = clock.now()
        how = {**parameters(self.mode, self.destination.where), **self._passage.parameters}
        try:
            both = flags(self.mode) | self._passage.flags
            self.domain.raw.migrateToURI3(self.destination.peer_uri, how, both)
        except BaseException as error:  # a thread's error has nobody else to go to
            self._error = error
        self._seconds = clock.now() - begun
        self._ended.set()

    @property
    def running(self) -> bool:
        """Whether the call has not returned yet.

        An event says so, not the thread: in Python 3.11 a join that Ctrl-C interrupts takes the
        thread for ended.
        """
        return not self._ended.is_set()

    def cancel(self) -> None:
        """Abort until libvirt's call has returned: at first there may be no job to abort yet."""
        deadline = clock.Deadline(CANCEL_SECONDS)
        while self.running and not deadline.expired:
            with suppress(libvirt.libvirtError):
                self.domain.raw.abortJob()
                self._cancelled = True
            self._ended.wait(ABORT_EVERY_SECONDS)

    def result(self, within: float = MIGRATION_SECONDS) -> JobResult:
        """Wait for the end. Raises MigrationFailed when libvirt refused or gave up.

        After `within` seconds the job is aborted: a guest must not stay half way for ever.
        """
        deadline = clock.Deadline(within)
        self._steer(deadline)
        self._ended.wait(deadline.left())
        self.cancel()
        if self._error is not None or self.running:
            raise self._failure() from self._error
        return self._collect()

    def _failure(self) -> MigrationFailed:
        error = self._error
        return MigrationFailed(
            f"{self.domain.name} did not reach {self.destination.where}",
            where=self.domain.connection.where,
            why=str(error or "it never returned"),
            code=error.get_error_code() or 0 if isinstance(error, libvirt.libvirtError) else 0,
            cancelled=self._cancelled,
        )

    def _steer(self, deadline: clock.Deadline) -> None:
        """What a mode wants done while pages are on their way: switch to postcopy, or abort."""
        if not self.mode.postcopy and self.mode.ends != "aborted":
            return
        while self.running and not deadline.expired and not self._pages_flow():
            self._ended.wait(STEER_EVERY_SECONDS)
        if self.mode.ends == "aborted":
            self.cancel()
        while self.running and not deadline.expired and not self._switched():
            self._ended.wait(STEER_EVERY_SECONDS)

    def _pages_flow(self) -> bool:
        """Whether some of the guest's memory has reached the other side."""
        try:
            return int(self.domain.raw.jobStats().get("memory_processed", 0)) > 0
        except libvirt.libvirtError:
            return False

    def _switched(self) -> bool:
        """Let the guest run on the destination now, its memory behind it."""
        try:
            self.domain.raw.migrateStartPostCopy()
            return True
        except libvirt.libvirtError:
            return False

    def _collect(self) -> JobResult:
        figures = self._figures()
        return JobResult(
            call_ms=self._seconds * 1000,
            total_ms=float(figures.get("time_elapsed", 0)),
            downtime_ms=float(figures.get("downtime", 0)),
            qemu_downtime_ms=self.own_downtime.ms,
        )

    def _figures(self) -> dict[str, Any]:
        """libvirt's, from the event on the source, else from the destination; none if both fail:
        the guest has moved all the same.
        """
        try:
            return dict(
                self.domain.connection.await_event(
                    self._since, self.domain.name, "job-completed", within=EVENT_SECONDS
                ).detail
            )
        except DeadlineExceeded:
            with suppress(libvirt.libvirtError):
                arrived = self.destination.raw.lookupByUUIDString(self.domain.uuid)
                return dict(arrived.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED))
            return {}
