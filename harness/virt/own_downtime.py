"""QEMU's own figure of a migration's downtime.

libvirt does not pass it on. The source's QEMU knows it when the migration is complete, and lives
on for some moments, until libvirt has seen the guest run on the destination: then it is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from harness.errors import DeadlineExceeded, TestbedError
from harness.virt.connection import QEMU_MIGRATION
from harness.virt.domain import Domain

LISTEN_SECONDS = 0.5


class OwnDowntime:
    """Waits beside a migration for QEMU's word that it is complete; `ms` is None until then, and
    for good when QEMU was gone before it could be asked.
    """

    def __init__(self, domain: Domain, since: int, running: Callable[[], bool]) -> None:
        self.ms: float | None = None
        self._domain, self._since, self._running = domain, since, running
        self._thread = threading.Thread(target=self._ask, name="downtime", daemon=True)

    def start(self) -> None:
        """Begin to listen, and return at once."""
        self._thread.start()

    def _ask(self) -> None:
        if not self._completed():
            return
        try:
            figure = self._domain.monitor("query-migrate").get("downtime")
        except TestbedError:
            return  # too late: it was a figure only
        self.ms = float(figure) if isinstance(figure, int) else None

    def _completed(self) -> bool:
        """Whether QEMU says so before libvirt's call returns."""
        connection, name = self._domain.connection, self._domain.name
        while self._running():
            try:
                connection.await_event(
                    self._since, name, QEMU_MIGRATION, detail="completed", within=LISTEN_SECONDS
                )
                return True
            except DeadlineExceeded:
                continue
        return False
