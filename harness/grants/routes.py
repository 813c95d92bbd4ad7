"""The ways through the hosts, for links that no guest network carries: told to every host's agent.

A host's agent passes on what guests without a network say to each other, and what they and hosts
say (docs/protocol.md, "Relay"). It has to be told where each guest is, again after every move.

An agent drops a route that its table leaves out, and ends the channels that take it. So nothing is
left out that is only not seen now: while a host does not answer, whoever is told keeps the ways it
has to domains that we know nothing of. One that has become wrong leads nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
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


class _Route(BaseModel):
    """A way that a host's agent has: to a port there, or by another host."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    domain: int
    owner: str
    socket: str = ""
    host: int = 0
    address: str = ""
    port: int = 0


class _Agent(BaseModel):
    """What a host's agent says of itself."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    domain_id: int
    port: int
    routes: tuple[_Route, ...]


class Routes:
    """All ways to the guests of a testbed, of which `owner` is the id, and `key` the secret that
    its hosts share; and to the hosts that are `granted` to guests, which may be on others.
    `hosts` and `guests` are by name, as they are when they are looked at; `all_hosts` are the names
    of those there are, seen or not.
    """

    def __init__(
        self,
        owner: str,
        key: str,
        hosts: Mapping[str, Host],
        guests: Mapping[str, Routed],
        events: EventLog,
        granted: Callable[[], Iterable[str]] = tuple,
        all_hosts: Collection[str] = (),
    ) -> None:
        self.owner, self.events = owner, events
        self.untold: set[str] = set()  # by the last `tell`, of the hosts that are seen
        self._key, self._hosts, self._guests = key, hosts, guests
        self._granted, self._all_hosts = granted, frozenset(all_hosts) | hosts.keys()
        self._agents: dict[str, _Agent] = {}

    def tell(self) -> None:
        """Every host knows where every guest is. One that cannot be told costs the relay only:
        that is said in an event.
        """
        if not self._key:
            return
        self.learn()
        self.untold = {*self._hosts}
        with self.events.span("routes"), self._pool() as pool:
            sockets = {name: guest.data_socket() for name, guest in self._guests.items()}
            tables = {host: self._table(host, sockets) for host in self._agents}
            tell = self._tell if self._is_all_known(sockets) else self._tell_besides
            list(pool.map(tell, tables, tables.values()))

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
            self._agents[host] = self._ask(host)
        except TestbedError as error:
            self._has_failed(host, error)

    def _ask(self, host: str) -> _Agent:
        said = self._hosts[host].run([TOOL, "routes", "--json"], within=WITHIN).stdout
        try:
            return _Agent.model_validate_json(said)
        except ValidationError as error:
            raise TestbedError("its routes make no sense", where=host, why=str(error)) from None

    def _is_all_known(self, sockets: Mapping[str, str]) -> bool:
        """Whether a domain that no table names is none any more, and not only out of sight: on a
        host that does not answer, on its way, or on a host whose agent is just being started.
        """
        return self._agents.keys() >= self._all_hosts and all(sockets.values())

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
        """These are all there are."""
        try:
            set_routes(self._hosts[host], self.owner, table)
            self.untold.discard(host)
        except TestbedError as error:
            self._has_failed(host, error)

    def _tell_besides(self, host: str, table: list[dict[str, Any]]) -> None:
        """These, and what that host has to domains that they do not name."""
        named = {way["domain"] for way in table}
        try:
            routes = self._ask(host).routes
        except TestbedError as error:
            self._has_failed(host, error)
            return
        ours = (route for route in routes if route.owner == self.owner)
        self._tell(host, [*table, *(self._again(way) for way in ours if way.domain not in named)])

    def _again(self, route: _Route) -> dict[str, Any]:
        """As it was told. Its key is not shown, and is the one that all hosts share."""
        if route.socket:
            return route.model_dump(include={"domain", "socket"})
        way = route.model_dump(include={"domain", "host", "address", "port"})
        return {**way, "key": self._key}

    def _has_failed(self, host: str, error: TestbedError) -> None:
        self.events.emit("relay.failed", host=host, error=str(error))


def set_routes(host: Host, owner: str, table: list[dict[str, Any]]) -> None:
    """Those of that owner are these now. By standard input: there is a key in them."""
    host.run([TOOL, "route"], input=json.dumps({"owner": owner, "routes": table}), within=WITHIN)
