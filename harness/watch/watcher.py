"""The loop: woken by libvirt or by the clock, it looks, decides, does, and looks again.

The testbed is held only while it looks and acts, so other commands work on it in between.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.base import Host
from harness.testbed import record
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord
from harness.testbed.testbed import Testbed
from harness.virt.connection import QEMU_MIGRATION, DomainEvent
from harness.watch import acts
from harness.watch.decide import decide
from harness.watch.lease import Held, Lease
from harness.watch.news import News
from harness.watch.observe import observe
from harness.watch.patience import Patience
from harness.watch.reach import Reach
from harness.watch.ways import Ways
from harness.watch.world import Wanted

LOOK_SECONDS = 1.0  # how long something that libvirt does not tell of may go unseen
STEPS_IN_A_ROW = 12  # then others may work on the testbed
PART_SECONDS = 2.0


class Watcher:
    """One controller of a testbed. It keeps nothing that another one would miss.

    `holder` tells people who we are.
    """

    def __init__(
        self, made: TestbedRecord, hosts: Iterable[Host], events: EventLog, holder: str
    ) -> None:
        self.name, self.events = made.name, events
        self._guests = frozenset(made.topology.guests)
        self._reach = Reach(made.topology, hosts, events, self._hear)
        self._lease = Lease(made.folder, holder)
        self._woken, self._news, self._patience = threading.Event(), News(events), Patience()
        self._ways = Ways()
        self._rival = ""

    def run(self, *, wait: bool) -> None:
        """Watch until the testbed is taken down. Raises UsageError when another controller
        watches it, unless we are to `wait` until that one ends; KeyboardInterrupt as it comes.
        """
        try:
            while self._look_after(wait=wait):
                self._woken.wait(LOOK_SECONDS)
                self._woken.clear()
        finally:
            self._reach.close()
            with suppress(TestbedError), exclusive(self.name, patience=PART_SECONDS):
                self._lease.give_back()

    def _hear(self, host: str, event: DomainEvent) -> None:
        """In libvirt's thread."""
        if event.domain not in self._guests:
            return
        if event.kind not in ("job-completed", QEMU_MIGRATION):
            said = {"what": event.kind, "why": event.detail}
            self.events.emit("libvirt", host=host, guest=event.domain, **said)
        self._woken.set()

    def _look_after(self, *, wait: bool) -> bool:
        """One turn with the testbed for us alone; whether there still is one."""
        with exclusive(self.name, patience=math.inf):
            made = record.standing(self.name)
            if made is None:
                self.events.emit("watch.ended", testbed=self.name)
                return False
            held = self._lease.take()
            if held is None:
                self._work(made)
                self._lease.take()  # what has taken long must not cost us the lease
        self._stand_by(held, wait=wait) if held else self._take_over()
        return True

    def _stand_by(self, held: Held, *, wait: bool) -> None:
        """Somebody else watches it."""
        if not wait:
            raise UsageError(
                f"{self.name} is watched already",
                why=f"by {held.holder}, for {held.left:.0f} s more unless it renews that",
                fix="end that one, or wait for its end: leave --no-wait out",
            )
        if self._rival != held.holder:
            self._rival = held.holder
            self.events.emit("watch.held", testbed=self.name, holder=held.holder)
        self._woken.wait(max(held.left - LOOK_SECONDS, 0.0))

    def _take_over(self) -> None:
        if self._rival:
            self.events.emit("watch.taken", testbed=self.name, holder=self._rival)
        self._rival = ""

    def _work(self, made: TestbedRecord) -> None:
        """Step by step, until all is well or has to wait."""
        try:
            for _ in range(STEPS_IN_A_ROW):
                if not self._step(made):
                    return
        except TestbedError as error:  # a host went away while we looked: the next look tells
            self.events.emit("watch.trouble", error=str(error))

    def _step(self, made: TestbedRecord) -> bool:
        """Look, and do what can be done now; whether that was anything."""
        with self._found(made) as testbed:
            self._ways.tell(testbed)
            world = observe(testbed, all_hosts=self._reach.complete)
            decided = decide(world, Wanted(made.grants, made.released))
            self._news.tell(world, decided)
            due = self._patience.ready(decided)
            for action in due:
                acts.attempt(action, testbed)
                self._patience.tried(action)
            self._ways.heed(testbed)
        return bool(due)

    @contextmanager
    def _found(self, made: TestbedRecord) -> Iterator[Testbed]:
        """The testbed on the hosts that answer; its agents are let go of afterwards."""
        testbed = Testbed.find(made, self._reach.places(), self.events)
        try:
            yield testbed
        finally:
            testbed.drop_agents()
