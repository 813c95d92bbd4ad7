"""Connections to the hosts that answer; those that do not are tried again now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from harness import clock
from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests.place import Place
from harness.hosts.base import Host
from harness.model.topology import Topology
from harness.testbed.testbed import reach
from harness.virt.connection import DomainEvent

RETRY_SECONDS = 5.0
ANSWER_SECONDS = 3.0

Hear = Callable[[str, DomainEvent], None]


class Reach:
    """The hosts of a testbed, as far as they can be reached now. `hear` gets what their libvirtd
    say, with the name of the host.
    """

    def __init__(
        self, topology: Topology, hosts: Iterable[Host], events: EventLog, hear: Hear
    ) -> None:
        self._topology, self._events, self._hear = topology, events, hear
        self._hosts = {host.name: host for host in hosts}
        self._places: dict[str, Place] = {}
        self._retry: dict[str, clock.Deadline] = {}

    @property
    def complete(self) -> bool:
        """Whether every host answered when `places` was asked last."""
        return len(self._places) == len(self._hosts)

    def places(self) -> dict[str, Place]:
        """Those that answer now. One that has lost its libvirtd is connected anew."""
        for name, place in list(self._places.items()):
            if not place.connection.alive:
                del self._places[name]
                place.connection.close()
                self._retry[name] = clock.Deadline(0.0)  # at once, and it is told already
                self._events.emit("host.lost", host=name)
        for name in self._hosts.keys() - self._places.keys():
            if name not in self._retry or self._retry[name].expired:
                self._connect(name)
        return dict(self._places)

    def _connect(self, name: str) -> None:
        """By SSH first: it gives up in time, where libvirt would wait for minutes."""
        host = self._hosts[name]
        try:
            host.run(["true"], within=ANSWER_SECONDS)
            place = reach(self._topology, [host])[name]
        except TestbedError as error:
            if name not in self._retry:
                self._events.emit("host.lost", host=name, error=str(error))
            self._retry[name] = clock.Deadline(RETRY_SECONDS)
            return
        place.connection.tell(partial(self._hear, name))
        self._places[name] = place
        self._retry.pop(name, None)
        self._events.emit("host.reached", host=name)

    def close(self) -> None:
        """Let go of all of them."""
        for place in self._places.values():
            place.connection.close()
        for host in self._hosts.values():
            host.close()
