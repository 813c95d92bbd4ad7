"""A place a guest can be: a host, with the connection to its libvirtd."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.hosts.base import Host
from harness.virt.connection import Connection
from harness.virt.emulator import DEFAULT

ASK_SECONDS = 10.0
PIDS = "/run/libvirt/qemu"  # where libvirtd notes each QEMU's pid, until that has ended
STAT_OF = '[ ! -e "$1" ] || { pid=$(cat "$1") && cat "/proc/$pid/stat"; }'
PID_AND_START = re.compile(r"(\d+) \(.*\) \S(?: \S+){18} (\d+) ", re.DOTALL)  # man 5 proc


@dataclass(frozen=True)
class Place:
    """A host we can run commands on, and its libvirtd."""

    host: Host
    connection: Connection
    emulator: str = DEFAULT
    _processes: dict[int, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def reach(cls, host: Host, emulator: str = DEFAULT) -> Place:
        """Connect to the host's libvirtd. `emulator` is the QEMU that runs guests there."""
        return cls(host, Connection(host.libvirt_uri, host.name, host.peer_uri), emulator)

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name

    def process_of(self, domain: str, number: int) -> str:
        """Which process runs the domain of that name and number, by pid and start; empty when none
        does. Raises TestbedError when it cannot be told just now: a look without it would take a
        guest that stays for one that has come.

        The host is asked once: as long as a libvirtd lives, which the connection does not survive,
        it gives no number twice. The next one does.
        """
        if number not in self._processes and (found := self._ask_process(domain)):
            self._processes[number] = found
        return self._processes.get(number, "")

    def _ask_process(self, domain: str) -> str:
        argv = ["sh", "-c", STAT_OF, "-", f"{PIDS}/{domain}.pid"]
        found = PID_AND_START.match(self.host.run(argv, within=ASK_SECONDS).stdout)
        return "-".join(found.groups()) if found else ""

    def close(self) -> None:
        """Close both connections."""
        self.connection.close()
        self.host.close()
