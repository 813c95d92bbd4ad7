"""A guest or a host, as far as a grant needs to know it."""

from __future__ import annotations

from typing import Protocol

from harness.agent.client import AgentClient
from harness.hosts.base import Host


class Place(Protocol):
    """Where a member is."""

    @property
    def host(self) -> Host:
        """The host, for commands."""


class Member(Protocol):
    """One of the two members of a grant."""

    @property
    def name(self) -> str:
        """Its name in the topology."""

    @property
    def domain_id(self) -> int:
        """Its number among domains."""

    @property
    def place(self) -> Place:
        """Where it is now."""

    @property
    def agent(self) -> AgentClient:
        """Its agent."""

    def attach_region(self, region: str, size: int, alias: str) -> str | None:
        """Hot-plug a region; or the path of the file that its agent is to map instead."""

    def detach_region(self, alias: str, *, within: float) -> None:
        """Unplug one."""

    def regions(self) -> dict[str, str]:
        """Alias → file name of what it has."""
