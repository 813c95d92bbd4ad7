"""A host as a member of grants: an end of links as its guests are, which never moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from harness.agent.answers import Hello, Link, Links, OpenStream, OpenStreams
from harness.agent.client import AgentClient
from harness.errors import CommandFailed, ConnectionLost
from harness.grants.region import SHM, TOOL
from harness.hosts.base import Host
from harness.model import naming


@dataclass(frozen=True)
class Itself:
    """Where a host is."""

    host: Host


class HostDomain:
    """A host in the testbed of which `owner` is the id.

    Its agent may have links of other testbeds, too: those are none of ours.
    """

    def __init__(self, host: Host, owner: str) -> None:
        self.name, self.owner, self.place = host.name, owner, Itself(host)
        self.agent = AgentClient(lambda: CommandTransport(host), self.name)

    @cached_property
    def domain_id(self) -> int:
        """As its agent says: it has had that since the machine became a host."""
        return self.agent.ask(Hello, "hello").domain_id

    def attach_region(self, region: str, size: int, alias: str) -> str:  # noqa: ARG002
        """Nothing is plugged: its agent is to map the file."""
        return f"{SHM}/{region}"

    def detach_region(self, alias: str, *, within: float) -> None:
        """Its agent has let go of the file, or died."""

    def regions(self) -> dict[str, str]:
        """Those that its agent has mapped: alias → file name. One that does not run has none."""
        try:
            return {naming.region_alias(peer): file for peer, file in mapped(self.links()).items()}
        except CommandFailed:
            return {}

    def links(self, within: float = 10.0) -> list[Link]:
        """Those of our testbed that its agent has."""
        links = self.agent.ask(Links, "links", within=within).links
        return [link for link in links if link.owner == self.owner]

    def streams(self) -> list[OpenStream]:
        """Those of our testbed: another's guests may have the names of ours."""
        streams = self.agent.ask(OpenStreams, "streams").streams
        return [stream for stream in streams if stream.owner == self.owner]

    def forget_all(self) -> None:
        """No link of our testbed is left there, no region mapped, and none of its domains known."""
        for link in self.links():
            self.agent.call("link.remove", peer=link.peer, owner=self.owner, policy="reset")
        self.agent.call("domains.set", owner=self.owner, domains=[])


def mapped(links: Iterable[Link]) -> dict[str, str]:
    """By peer, the file names of the regions that are mapped."""
    return {link.peer: PurePosixPath(link.file).name for link in links if link.file}


class CommandTransport:
    """The control channel of a host's agent: a command there for each request."""

    def __init__(self, host: Host) -> None:
        self._host, self._said = host, b""

    def send(self, data: bytes, *, within: float) -> None:
        """Ask, and keep what is answered."""
        done = self._host.run([TOOL, "ctl"], input=data.decode(), within=within)
        self._said += done.stdout.encode()

    def receive(self, *, within: float) -> bytes:  # noqa: ARG002 - `send` has waited for it
        """What was answered. Raises ConnectionLost when there is nothing more."""
        said, self._said = self._said, b""
        if not said:
            raise ConnectionLost("the agent did not answer", where=self._host.name)
        return said

    def close(self) -> None:
        """Nothing is held."""
