"""A place a guest can be: a host, with the connection to its libvirtd."""

from __future__ import annotations

from dataclasses import dataclass

from harness.hosts.base import Host
from harness.virt.connection import Connection


@dataclass(frozen=True)
class Place:
    """A host we can run commands on, and its libvirtd."""

    host: Host
    connection: Connection

    @classmethod
    def reach(cls, host: Host) -> Place:
        """Connect to the host's libvirtd."""
        return cls(host, Connection(host.libvirt_uri, host.name))

    @property
    def name(self) -> str:
        """The host's name."""
        return self.host.name

    def close(self) -> None:
        """Close both connections."""
        self.connection.close()
        self.host.close()
