"""The ways through the hosts, for links that no guest network carries: told to every host's agent.

A host's agent passes on what guests without a network say to each other, and what they and hosts
say (docs/protocol.md, "Relay"). It has to be told where each guest is, again after every move.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.member import Place
from harness.grants.region import TOOL
from harness.hosts.base import Host
from harness.model import naming

WITHIN = 10.0
ROUTES_FILE = "/run/domsock/routes.json"  # where a host's agent keeps what it was told


class Routed(Protocol):
    """A guest, as far as a route to it needs to know it."""

    domain_id: int

    @property
    def place(self) -> Place:
        """Where it is now."""

    def data_socket(self) -> str:
        """The host's end of its port; empty: there is none."""


class _Agent(BaseModel):
    """What a host's agent says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    domain_id: int
    port: int


class Routes:
    """All ways to the guests of a testbed, of which `owner` is the id, and `key` the secret that
    its hosts share; and to the hosts that are `granted` to guests, which may be on others.
    `hosts` and `guests` are by name, as they are when they are looked at.
    """

    def __init__(
        self,
        owner: str,
        key: str,
        hosts: Mapping[str, Host],
        guests: Mapping[str, Routed],
        events: EventLog,
        granted: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.owner, self.events = owner, events
        self._key, self._hosts, self._guests = key, hosts, guests
        self._granted = granted
        self._agents: dict[str, _Agent] = {}

    def tell(self) -> None:
        """Every host knows where every guest is. One that cannot be told costs the relay only:
        that is said in an event.
        """
        if not self._key:
            return
        self.learn()
        with self.events.span("routes"), self._pool() as pool:
            sockets = {name: guest.data_socket() for name, guest in self._guests.items()}
            tables = {host: self._table(host, sockets) for host in self._agents}
            list(pool.map(self._tell, tables, tables.values()))

    def learn(self) -> None:
        """Who the hosts' agents are: what `tell` needs to know, and need not wait for then."""
        unknown = [host for host in self._hosts if self._key and host not in self._agents]
        with self._pool() as pool:
            list(pool.map(self._learn, unknown))

    def host_ids(self) -> dict[str, int]:
        """The numbers of the hosts, as domains; of those that are known."""
        return {host: agent.domain_id for host, agent in self._agents.items()}

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max(1, len(self._hosts)))

    def _learn(self, host: str) -> None:
        """Which domain its agent is. It stays that for as long as the host is one."""
        try:
            said = self._hosts[host].run([TOOL, "routes", "--json"], within=WITHIN).stdout
            self._agents[host] = _Agent.model_validate_json(said)
        except (TestbedError, ValidationError) as error:
            self.events.emit("relay.failed", host=host, error=str(error))

    def _table(self, host: str, sockets: Mapping[str, str]) -> list[dict[str, Any]]:
        ways = [self._way(host, guest, sockets[name]) for name, guest in self._guests.items()]
        hosts = [self._by(self._agents[other].domain_id, other) for other in self._others(host)]
        return [*(way for way in ways if way is not None), *hosts]

    def _others(self, host: str) -> list[str]:
        """The hosts that it has to reach themselves: those that are granted; and one that is, all,
        because its guests may move to any, and are not to wait for that connection then.
        """
        granted = {*self._granted()}
        wanted = self._agents.keys() if host in granted else granted & self._agents.keys()
        return sorted(wanted - {host})

    def _way(self, host: str, guest: Routed, socket: str) -> dict[str, Any] | None:
        """From that host to that guest."""
        home = guest.place.host
        if home.name == host:
            return {"domain": guest.domain_id, "socket": socket} if socket else None
        return self._by(guest.domain_id, home.name) if home.name in self._agents else None

    def _by(self, domain: int, host: str) -> dict[str, Any]:
        """To that domain by another host, which it may be itself."""
        return {
            "domain": domain,
            "host": self._agents[host].domain_id,
            "address": self._hosts[host].address,
            "port": self._agents[host].port or naming.RELAY_PORT,
            "key": self._key,
        }

    def _tell(self, host: str, table: list[dict[str, Any]]) -> None:
        try:
            set_routes(self._hosts[host], self.owner, table)
        except TestbedError as error:
            self.events.emit("relay.failed", host=host, error=str(error))


def set_routes(host: Host, owner: str, table: list[dict[str, Any]]) -> None:
    """Those of that owner are these now. By standard input: there is a key in them."""
    host.run([TOOL, "route"], input=json.dumps({"owner": owner, "routes": table}), within=WITHIN)
