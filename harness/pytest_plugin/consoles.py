"""What guests' consoles say while tests run: read bit by bit from the hosts' logs of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import TestbedError
from harness.guests import definition
from harness.hosts.base import Host
from harness.testbed.testbed import Testbed

# Size, then exactly the bytes between where we were ($2) and that size.
NEWS = """
size=$(stat -c %s "$1" 2>/dev/null) || exit 0
echo "$size"
tail -c "+$(($2 + 1))" "$1" | head -c "$((size - $2))"
"""


@dataclass
class Consoles:
    """The consoles of a testbed's guests. A guest leaves a part on each host it lived on."""

    testbed: Testbed
    _read: dict[tuple[str, str], int] = field(default_factory=dict)

    def news(self) -> dict[str, str]:
        """What each guest's console has said since the last time; what cannot be read is none."""
        hosts = [place.host for place in self.testbed.places.values()]
        return {
            guest: "".join(self._of(host, guest) for host in hosts)
            for guest in self.testbed.record.topology.guests
        }

    def _of(self, host: Host, guest: str) -> str:
        already = self._read.get((host.name, guest), 0)
        argv = ["sh", "-c", NEWS, "sh", definition.console_log(guest), str(already)]
        try:
            size, _, text = host.run(argv, check=False).stdout.partition("\n")
        except TestbedError as error:
            self.testbed.events.emit("console.unread", guest=guest, error=str(error))
            return ""
        if size.isdigit():
            self._read[host.name, guest] = int(size)
        return text
