"""A running guest, wherever it is now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from harness import clock
from harness.agent.client import AgentClient
from harness.errors import DeadlineExceeded, TestbedError
from harness.events import EventLog
from harness.guests import cards, definition, files, programs
from harness.guests.place import Place
from harness.hosts.base import Host
from harness.model import naming
from harness.run import Completed
from harness.virt import xml
from harness.virt.domain import Domain
from harness.virt.xml import GuestDefinition

BOOT_SECONDS = 120.0
SIGN_OF_LIFE_SECONDS = 15.0  # a boot that takes longer is told about so often
PING_SECONDS = 5.0
LAST_LINES = 20
# To the end of what systemd starts; other systems have no such end, and need none.
SETTLED = ["sh", "-c", "systemctl is-system-running --wait; true"]
STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def _unwatched(_bytes: int) -> None:
    """Nobody follows the copy."""


def _plain(said: str) -> str:
    """What a console printed, without what would play tricks on a terminal."""
    lines = STEERING.sub("", said).splitlines()
    return "\n".join("".join(filter(str.isprintable, line)) for line in lines)


class Guest:
    """One guest: its domain, its agent, and the programs in it."""

    def __init__(self, name: str, domain_id: int, domain: Domain, place: Place, events: EventLog):
        self.name, self.domain_id = name, domain_id
        self.domain, self.place = domain, place
        self.events = events
        self.boot_ms: float | None = None
        self._agent: AgentClient | None = None

    @classmethod
    def create(
        cls, definition: GuestDefinition, domain_id: int, place: Place, events: EventLog
    ) -> Guest:
        """Start the domain paused; `boot` lets it run."""
        domain = Domain.start_paused(place.connection, xml.domain(definition))
        return cls(definition.name, domain_id, domain, place, events)

    def boot(
        self, advice: str = "", *, within: float = BOOT_SECONDS, services: bool = False
    ) -> None:
        """Let it run until its agent answers and it takes commands; with `services` until all
        that systemd starts has been started.

        Raises TestbedError with the last lines of its console, and `advice`, when it never does.
        """
        begun, deadline = clock.now(), clock.Deadline(within)
        try:
            self.domain.resume()
            self._await_agent(deadline)
            clock.wait_until(
                self._takes_commands, within=deadline.left(), what="qemu-guest-agent", every=0.1
            )
            if services:
                self.exec(SETTLED, within=deadline.left())
        except TestbedError as error:
            why = f"{error}; its console ends with:\n{self.last_words()}"
            raise TestbedError(
                f"{self.name} did not boot", where=self.place.name, why=why, fix=advice
            ) from error
        self.boot_ms = (clock.now() - begun) * 1000

    def _await_agent(self, deadline: clock.Deadline) -> None:
        """Ask until the agent answers; say now and then how far the console has come."""
        while True:
            try:
                self.agent.call("hello", within=min(SIGN_OF_LIFE_SECONDS, deadline.left()))
                return
            except DeadlineExceeded:
                if deadline.expired:
                    what = f"its agent did not answer within {deadline.seconds:g} s"
                    raise DeadlineExceeded(what, where=self.domain.where) from None
            said = self.last_words().strip() or "its console is silent"
            self.events.emit("boot.waits", guest=self.name, said=said.splitlines()[-1])

    def _takes_commands(self) -> bool:
        try:
            self.domain.guest_command("guest-ping", within=PING_SECONDS)
        except TestbedError:
            return False
        return True

    def last_words(self, lines: int = LAST_LINES) -> str:
        """The end of its console, without what would play tricks on a terminal."""
        log = definition.console_log(self.name)
        try:
            said = self.place.host.run(["tail", "-n", str(lines), log], check=False).stdout
        except TestbedError as error:
            return f"(it cannot be read: {error})"
        return _plain(said)

    def console_on(self, host: Host) -> str:
        """All that its console printed while it lived on that host; empty if it never did."""
        return _plain(host.run(["cat", definition.console_log(self.name)], check=False).stdout)

    @property
    def stay(self) -> str:
        """This stay of it on its host: after a move, a start or a restore it is another one.

        libvirt's number alone may come again after a restart of libvirtd.
        """
        number = self.domain.number
        return f"{self.place.name}/{number}/{self.place.process_of(self.name, number)}"

    @property
    def agent(self) -> AgentClient:
        """The control channel of its agent, opened where the guest is now when it is used."""
        if self._agent is None:
            domain = self.domain
            self._agent = AgentClient(
                lambda: domain.open_channel(naming.CTL_CHANNEL), domain.where, self._agent_event
            )
        return self._agent

    def _agent_event(self, message: dict[str, Any]) -> None:
        self.events.emit("agent", guest=self.name, said=message)

    def moved_to(self, place: Place, domain: Domain) -> None:
        """It lives elsewhere now: forget the old host's ends of its channels."""
        self.drop_agent()
        self.place, self.domain = place, domain

    def drop_agent(self) -> None:
        """Close the control channel; the next use opens it again."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def exec(self, argv: list[str], *, within: float = 30.0, check: bool = True) -> Completed:
        """Run a program in the guest to its end, through qemu-guest-agent."""
        return programs.run(self.domain, argv, within=within, check=check)

    def start(self, argv: list[str]) -> int:
        """Start a program in the guest and leave it running; gives its pid."""
        return programs.start(self.domain, argv)

    def read(self, path: str) -> str:
        """A text file of the guest's."""
        return self.exec(["cat", path]).stdout

    def put(
        self, local: Path, remote: str, *, mode: int = 0o644, progress: files.Progress = _unwatched
    ) -> int:
        """Copy a file into the guest, whole or not at all; gives its bytes."""
        return files.put(self.domain, local, remote, mode, progress)

    def get(self, remote: str, local: Path, *, progress: files.Progress = _unwatched) -> int:
        """Copy a file out of the guest, whole or not at all; gives its bytes."""
        return files.get(self.domain, remote, local, progress)

    def addresses(self) -> cards.Addresses:
        """The IPv4 addresses that its network cards have now, by MAC, as it says itself."""
        return cards.addresses(self.domain)

    def data_socket(self) -> str:
        """The socket of its port to the agent of the host that it is on; empty: it has none."""
        try:
            return xml.channel_socket(self.domain.describe(), naming.DATA_CHANNEL)
        except TestbedError:
            return ""  # it is on its way, or has ended: whoever finds it tells again

    def attach_region(self, region: str, size: int, alias: str) -> None:
        """Hot-plug a region: its agent finds it as a device."""
        port = xml.free_port(self.domain.describe())
        self.domain.attach(xml.text(xml.shmem(region, size, alias, port)))

    def detach_region(self, alias: str, *, within: float) -> None:
        """Unplug a region and wait until it is gone; one that is not there is fine."""
        self.domain.detach(alias, within=within)

    def regions(self) -> dict[str, str]:
        """The regions it has: alias → file name. A guest that has ended has none."""
        try:
            return xml.attached_regions(self.domain.describe())
        except TestbedError:
            if Domain.find(self.place.connection, self.domain.uuid) is None:
                return {}
            raise
