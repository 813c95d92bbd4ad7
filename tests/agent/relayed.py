"""Two hosts' agents and their guests' agents, with no network between the guests.

A port stands for a guest's virtio-serial port, with QEMU in the middle: a UNIX socket for the host
at one end, a terminal in raw mode for the guest at the other. What is queued towards a side that
closes is dropped, in the middle of a frame too.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agents import PATIENCE_S, Agent, Linked, Proxy, Two, stop_all, wait_until
from programs import await_motion, both_ways, finish_all, open_streams

KEY = "cd" * 32
QUEUE = 256 << 10


class Port:
    """A guest's port, and what QEMU does with it."""

    def __init__(self, folder: Path, guest: str) -> None:
        self._name = str(folder / guest)
        self._moves = 0
        self._listener = self._listen()
        self._master, self._slave = pty.openpty()
        self.device = os.ttyname(self._slave)
        os.set_blocking(self._master, False)
        self._host: socket.socket | None = None
        self._to_guest, self._to_host = bytearray(), bytearray()
        self._stalled = self._stopped = False
        self.dropped = 0
        self.alter: Callable[[bytes], bytes] = lambda data: data  # what a lying host makes of it
        self._wake_r, self._wake_w = os.pipe()
        self._start_thread()

    def _start_thread(self) -> None:
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _stop_thread(self) -> None:
        self._stopped = True
        os.write(self._wake_w, b"x")
        self._thread.join(PATIENCE_S)

    def _listen(self) -> socket.socket:
        self.socket = Path(f"{self._name}.port{self._moves}") / "domsock.data"
        self.socket.parent.mkdir()
        self.socket.parent.chmod(0o700)  # as libvirt's
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        listener.listen()
        return listener

    def move(self) -> None:
        """The guest is on another host now: what was is gone, and a new socket is there."""
        self._stop_thread()
        self._hang_up()
        self._listener.close()
        self.socket.unlink()
        self._moves += 1
        self._listener = self._listen()
        self._start_thread()

    def stall(self, stalled: bool) -> None:
        """Pass nothing on, as when the guest is stopped; or go on."""
        self._stalled = stalled
        os.write(self._wake_w, b"x")

    def stop(self) -> None:
        """End it, as a guest that is destroyed."""
        self._stop_thread()
        for fd in (self._master, self._slave, self._wake_r, self._wake_w):
            os.close(fd)
        self._hang_up()
        self._listener.close()
        self.socket.unlink()

    def _run(self) -> None:
        while not self._stopped:
            reads: list[Any] = [self._wake_r]
            writes: list[Any] = []
            if not self._stalled:
                reads += [self._host or self._listener]
                reads += [self._master] if len(self._to_host) < QUEUE else []
                writes += [self._master] if self._to_guest else []
                writes += [self._host] if self._host and self._to_host else []
            if len(self._to_guest) >= QUEUE and self._host in reads:
                reads.remove(self._host)
            ready, writable, _ = select.select(reads, writes, [])
            self._serve(ready, writable)

    def _serve(self, ready: list[Any], writable: list[Any]) -> None:
        if self._wake_r in ready:
            os.read(self._wake_r, 4096)
        if self._listener in ready:
            self._host, _ = self._listener.accept()
            self._host.setblocking(False)
        if self._host in ready:
            self._hear_host()
        if self._master in ready:
            self._hear_guest()
        if self._master in writable:
            with contextlib.suppress(BlockingIOError):
                del self._to_guest[: os.write(self._master, self._to_guest[:4096])]
        if self._host is not None and self._host in writable:
            with contextlib.suppress(OSError):
                del self._to_host[: self._host.send(self._to_host)]

    def _hear_host(self) -> None:
        assert self._host is not None
        try:
            data = self._host.recv(65536)
        except OSError:
            data = b""
        if data:
            self._to_guest += self.alter(data)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None
        self.dropped += len(self._to_host)
        self._to_host.clear()

    def _hear_guest(self) -> None:
        data = os.read(self._master, 65536)
        if self._host is not None:
            self._to_host += data


class Hosts(Linked):
    """h1 with g1, h2 with g2; a proxy between the hosts."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._tables: dict[str, dict[int, Any]] = {}
        self.h1 = self._host("h1", 1001)
        self.h2 = self._host("h2", 1002)
        self.ports = {name: Port(folder, name) for name in ("g1", "g2")}
        self.g1, self.g2 = (
            Agent(folder, name, number, "--data", self.ports[name].device, *options)
            for name, number in (("g1", 3), ("g2", 4))
        )
        self.trunk = Proxy(self.h1.call("routes")["port"])

    def _host(self, name: str, number: int) -> Agent:
        return Agent(self.folder, name, number, "--relay-listen", "127.0.0.1:0")

    @property
    def agents(self) -> tuple[Agent, ...]:
        """All four."""
        return self.g1, self.g2, self.h1, self.h2

    def route(self, key1: str = KEY, key2: str = KEY) -> None:
        """Tell the hosts where the guests are: each on its own."""
        self.here(self.h1, "g1")
        self.there(self.h1, "g2", key1)
        self.here(self.h2, "g2")
        self.there(self.h2, "g1", key2)

    def here(self, host: Agent, guest: str) -> None:
        """That guest lives on that host."""
        self.tell(host, 3 if guest == "g1" else 4, socket=str(self.ports[guest].socket))

    def there(self, host: Agent, guest: str, key: str = KEY) -> None:
        """That guest lives on the other host. The higher one dials, by the proxy."""
        other = self.h2 if host is self.h1 else self.h1
        where = {"host": other.id, "address": "127.0.0.1", "port": self.trunk.port}
        self.tell(host, 3 if guest == "g1" else 4, key=key, **where)

    def meet(self, guest: Agent, host: Agent) -> HostAndGuest:
        """A guest and a host are granted to each other: every host knows the way to that host."""
        other = self.h2 if host is self.h1 else self.h1
        where = {"host": host.id, "address": "127.0.0.1", "port": self.trunk.port, "key": KEY}
        self.tell(other, host.id, **where)
        pair = HostAndGuest(self.folder, guest, host)
        for here, there in ((guest, host), (host, guest)):
            here.call("link.add", peer=there.name, peer_id=there.id, key=self.KEY)
        return pair

    def move(self, guest: str, there: Agent) -> None:
        """The guest lives on that host from now on, as its harness would say it."""
        here = self.h2 if there is self.h1 else self.h1
        self.ports[guest].move()
        self.here(there, guest)
        self.there(here, guest)

    def tell(self, at: Agent, domain: int, **how: Any) -> None:
        """One way more that this host knows."""
        table = self._tables.setdefault(at.name, {})
        table[domain] = {"domain": domain, **how}
        at.call("routes.set", owner="lab", routes=list(table.values()))

    def lose(self, host: Agent, domain: int) -> None:
        """That host knows no way to the domain any more."""
        del self._tables[host.name][domain]
        host.call("routes.set", owner="lab", routes=list(self._tables[host.name].values()))

    def add_links(self, g2_port: int | None = None) -> None:
        """Tell the guests of each other; g2 has a network to g1 if it has a port there."""
        network = {"address": "127.0.0.1", "port": g2_port} if g2_port else {}
        self.g1.call("link.add", peer="g2", peer_id=4, key=self.KEY)
        self.g2.call("link.add", peer="g1", peer_id=3, key=self.KEY, **network)

    def await_up(self, path: str = "relay") -> None:
        """Wait until the link is up, by that path."""
        for agent in (self.g1, self.g2):
            wait_until(
                lambda a=agent: (a.link()["state"], a.link()["path"]) == ("up", path),
                f"{agent.name}'s link is up by {path}",
            )

    def kill(self, agent: Agent) -> None:
        """Kill an agent where it stands, and start it anew."""
        agent.stop(signal.SIGKILL)
        agent.start("127.0.0.1:0")
        if agent is self.h1:
            self.trunk.redirect(agent.call("routes")["port"])

    def stop(self) -> None:
        """End everything, also what does not want to."""
        try:
            stop_all(self.agents)
        finally:
            for port in self.ports.values():
                port.stop()
            self.trunk.stop()


class HostAndGuest(Two):
    """A guest and a host with a link between them, in the places of g1 and g2."""

    def await_up(self, path: str = "relay") -> None:
        """Wait until the link is up, by that path."""
        for agent, peer in ((self.g1, self.g2), (self.g2, self.g1)):
            wait_until(
                lambda a=agent, p=peer: self.seen(a, p) == ("up", path),
                f"{agent.name}'s link to {peer.name} is up by {path}",
            )

    @staticmethod
    def seen(agent: Agent, peer: Agent) -> tuple[str, str]:
        """State and path of the link as one of the two sees it."""
        links = agent.call("links")["links"]
        (found,) = (link for link in links if link["peer"] == peer.name)
        return found["state"], found["path"]


def dies_and_is_met_again(
    both: Hosts, pair: Hosts | HostAndGuest, killed: Agent, peer: Agent
) -> None:
    """kill -9 of an end: its streams end, and its next life is met as any other."""
    flows = both_ways(open_streams(pair, 1))
    await_motion(flows, 100_000)
    both.kill(killed)
    killed.call("link.add", peer=peer.name, peer_id=peer.id, key=Hosts.KEY)
    for flow in flows:
        flow.await_end()
    pair.await_up()
    again = both_ways(open_streams(pair, 1))
    await_motion(again, 100_000)
    finish_all(again)


@contextlib.contextmanager
def hosts(folder: Path, *options: str) -> Iterator[Hosts]:
    """Agents of two hosts and two guests, not told of each other yet."""
    both = Hosts(folder, "--grace", "20000", *options)
    try:
        yield both
    finally:
        both.stop()
