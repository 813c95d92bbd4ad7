"""Calls the daemon over one connection until SIGTERM, and checks every answer.

python3 client.py /run/domsock/g2/manager
"""

from __future__ import annotations

import http.client
import signal
import socket
import sys
import xmlrpc.client

IMAGE = bytes(range(256)) * 64
EVERY = 20  # calls it says how far it is


class Transport(xmlrpc.client.Transport):
    """XML-RPC over a UNIX socket. It counts how often it had to connect."""

    def __init__(self, path: str) -> None:
        super().__init__(use_builtin_types=True)
        self.path = path
        self.connections = 0

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        """The one there is, kept from call to call."""
        if self._connection[1] is None:
            self._connection = host, Connection(self)
        return self._connection[1]


class Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket. It connects anew by itself when the server has hung up."""

    def __init__(self, transport: Transport) -> None:
        super().__init__("localhost")
        self.transport = transport

    def connect(self) -> None:
        """Instead of to a port."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.transport.path)
        self.transport.connections += 1


def main(path: str) -> None:
    """Call until told to stop; then say how many calls there were."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    transport = Transport(path)
    calls = 0
    with xmlrpc.client.ServerProxy("http://localhost", transport) as manager:
        while not stopped:
            assert manager.create(calls, IMAGE) == f"domain {calls}, {len(IMAGE)} bytes"
            calls += 1
            if calls % EVERY == 0:
                print(f"{calls} calls", flush=True)
        assert manager.count() == calls, "a call was lost, or done twice"
    print(f"{calls} calls over {transport.connections} connection", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
