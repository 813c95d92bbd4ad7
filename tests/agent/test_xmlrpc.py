"""The scenario that started it all: a management daemon in one domain, its client in another, over
a path, by stock Python, while the link changes its path."""

from __future__ import annotations

import http.client
import itertools
import socket
import socketserver
import threading
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest
from agents import Pair, wait_until


class Handler(SimpleXMLRPCRequestHandler):
    """XML-RPC over whatever socket it is."""

    disable_nagle_algorithm = False  # there is no TCP here
    rpc_paths = ("/RPC2",)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def log_request(self, *_: object) -> None:
        """Say nothing."""


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    """A management daemon that counts what it is asked to do."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.UnixStreamServer.__init__(self, str(path), Handler)
        path.chmod(0o666)
        self.done: list[int] = []
        self.register_function(self.create, "create")

    def create(self, number: int, blob: xmlrpc.client.Binary) -> str:
        self.done.append(number)
        return f"domain {number}, {len(blob.data)} bytes"


class Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket; the host is the path."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Transport(xmlrpc.client.Transport):
    """One connection, kept open from call to call."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._made: Connection | None = None
        self._path = path
        self.connections = 0

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        if self._made is None:
            self._made = Connection(str(self._path))
            self.connections += 1
        return self._made


@pytest.fixture
def daemon(pair: Pair) -> Iterator[Daemon]:
    (pair.g2.run_dir / "self" / "xend").mkdir()
    with Daemon(pair.g2.run_dir / "self" / "xend" / "rpc.sock") as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_calls_go_on_through_handovers(pair: Pair, daemon: Daemon) -> None:
    path = pair.g1.run_dir / "g2" / "xend" / "rpc.sock"
    wait_until(path.exists, "the daemon's socket appears")
    transport = Transport(path)
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
    blob = xmlrpc.client.Binary(bytes(50_000))
    stop = threading.Event()
    answers: list[object] = []

    def call() -> None:
        for number in itertools.count():
            answers.append(proxy.create(number, blob))
            if stop.is_set():
                return

    caller = threading.Thread(target=call)
    caller.start()
    for to in ("shm", "tcp", "shm", "tcp"):
        seen = len(answers)
        if to == "shm":
            pair.attach(pair.make_region())
        pair.hand_over(to, pair.g2)
        wait_until(lambda s=seen: len(answers) > s + 3, f"calls go on by {to}")
    stop.set()
    caller.join()
    assert answers == [f"domain {n}, 50000 bytes" for n in range(len(answers))]
    assert daemon.done == list(range(len(answers)))
    assert transport.connections == 1
