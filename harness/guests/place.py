"""A place a guest can be: a host, with the connection to its libvirtd."""

from __future__ import annotations

from dataclasses import dataclass

from harness.hosts.base import Host
from harness.virt.connection import Connection
from harness.virt.emulator import DEFAULT


@dataclass(frozen=True)
class Place:
    """A host we can run commands on, and its libvirtd."""

    host: Host
    connection: Connection
    emulator: str = DEFAULT

    @classmethod
    def reach(cls, host: Host, emulator: str = DEFAULT) -> Place:
        """Connect to the host's libvirtd. `emulator` is the QEMU that runs guests there."""
        return cls(host, Connection(host.libvirt_uri, host.name, host.peer_uri), emulator)

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name

    def close(self) -> None:
        """Close both connections."""
        self.connection.close()
        self.host.close()
