"""A connection to one libvirtd, and its events as values that can be waited for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import libvirt
import libvirt_qemu

from harness import clock
from harness.errors import DeadlineExceeded, GuestGone, TestbedError
from harness.virt import lifecycle, loop

KEEPALIVE_SECONDS, KEEPALIVE_COUNT = 5, 4
QEMU_MIGRATION = "qemu-migration"
KEPT_EVENTS = 1000  # nobody waits for one that lies further back


@dataclass(frozen=True)
class DomainEvent:
    """Something libvirt said about a domain: kind is started, device-removed, job-completed…

    `QEMU_MIGRATION` is QEMU's own word, its detail the state of the migration.
    """

    domain: str
    kind: str
    detail: Any


Listener = Callable[[DomainEvent], None]


class Connection:
    """One host's libvirtd. `where` names the host in errors; `peer_uri` is for other hosts."""

    def __init__(self, uri: str, where: str, peer_uri: str = "") -> None:
        loop.ensure_running()
        self.uri, self.where, self.peer_uri = uri, where, peer_uri or uri
        with translated(f"libvirtd of {where} does not answer at {uri}", where):
            self.raw = libvirt.open(uri)
            self.raw.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
        self._events: list[DomainEvent] = []
        self._dropped = 0  # events that came before those that are kept
        self._told: list[Listener] = []
        self._arrived = threading.Condition()
        self._listeners = self._listen()
        self._qemu_listener = self._listen_to_qemu()

    def _listen(self) -> list[int]:
        def register(event_id: int, callback: Callable[..., None]) -> int:
            return int(self.raw.domainEventRegisterAny(None, event_id, callback, None))

        return [
            register(
                libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                lambda _c, dom, event, why, _o: self._record(
                    dom, *lifecycle.event_words(event, why)
                ),
            ),
            register(
                libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                lambda _c, dom, alias, _o: self._record(dom, "device-removed", alias),
            ),
            register(
                libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED,
                lambda _c, dom, stats, _o: self._record(dom, "job-completed", dict(stats)),
            ),
        ]

    def _listen_to_qemu(self) -> int:
        def told(_c: Any, domain: Any, _e: str, _s: int, _us: int, said: str, _o: Any) -> None:
            self._record(domain, QEMU_MIGRATION, json.loads(said or "{}").get("status"))

        return int(libvirt_qemu.qemuMonitorEventRegister(self.raw, None, "MIGRATION", told, None))

    def _record(self, domain: Any, kind: str, detail: Any) -> None:
        event = DomainEvent(domain.name(), kind, detail)
        with self._arrived:
            self._events.append(event)
            excess = max(0, len(self._events) - KEPT_EVENTS)
            del self._events[:excess]
            self._dropped += excess
            self._arrived.notify_all()
        for listener in self._told:
            listener(event)

    def tell(self, listener: Listener) -> None:
        """Call `listener` for every event from now on, in libvirt's thread: it must be quick."""
        self._told.append(listener)

    @property
    def alive(self) -> bool:
        """Whether libvirtd is still at the other end."""
        try:
            return bool(self.raw.isAlive())
        except libvirt.libvirtError:
            return False

    def mark(self) -> int:
        """A point in the stream of events, to wait from."""
        with self._arrived:
            return self._dropped + len(self._events)

    def await_event(
        self, since: int, domain: str, kind: str, *, within: float, detail: Any = None
    ) -> DomainEvent:
        """Wait for an event after `since`. Raises DeadlineExceeded."""
        deadline = clock.Deadline(within)
        with self._arrived:
            while True:
                for event in self._events[max(0, since - self._dropped) :]:
                    right = detail is None or event.detail == detail
                    if (event.domain, event.kind) == (domain, kind) and right:
                        return event
                if not self._arrived.wait(deadline.left()) and deadline.expired:
                    raise DeadlineExceeded(
                        f"{domain}: no {kind} event within {within:g} s", where=self.where
                    )

    def free_memory(self) -> int:
        """Bytes that a new guest could have: free, or only cached."""
        with translated("the host does not tell its memory", self.where):
            stats = self.raw.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
        return (int(stats["free"]) + int(stats.get("cached", 0))) * 1024

    def learn(self, emulator: str) -> None:
        """Let libvirt find out now what that QEMU can; else the first guest waits for it."""
        with translated(f"libvirt cannot ask {emulator} what it can", self.where):
            self.raw.getDomainCapabilities(emulator, "x86_64", None, "qemu", 0)

    def close(self) -> None:
        """Deregister and close; a connection that is gone already is fine."""
        try:
            for listener in self._listeners:
                self.raw.domainEventDeregisterAny(listener)
            libvirt_qemu.qemuMonitorEventDeregister(self.raw, self._qemu_listener)
            self.raw.close()
        except libvirt.libvirtError:
            return


class translated:  # noqa: N801 - reads as a verb: with translated(...)
    """Turn libvirt's errors inside the block into a TestbedError that says `what` failed;
    GuestGone when libvirt knows the guest no more.
    """

    def __init__(self, what: str, where: str, fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, libvirt.libvirtError):
            gone = error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN
            kind = GuestGone if gone else TestbedError
            why = str(error).strip()
            raise kind(self.what, where=self.where, why=why, fix=self.fix) from error
