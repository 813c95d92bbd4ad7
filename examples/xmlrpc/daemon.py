"""A management daemon: XML-RPC on a UNIX socket, by Python's standard library alone.

python3 daemon.py /run/domsock/self/manager
"""

from __future__ import annotations

import socketserver
import sys
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler


class Handler(SimpleXMLRPCRequestHandler):
    """XML-RPC over a UNIX socket, which has no Nagle algorithm and no port."""

    disable_nagle_algorithm = False
    protocol_version = "HTTP/1.1"  # the connection stays open from call to call

    def log_request(self, *_: object) -> None:
        """Say nothing of each call."""


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    """Creates domains, and tells which there are."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        SimpleXMLRPCDispatcher.__init__(self, use_builtin_types=True)
        socketserver.UnixStreamServer.__init__(self, path, Handler)
        Path(path).chmod(0o666)  # every domain that has a grant may call
        self.domains: list[int] = []
        self.register_function(self.create)
        self.register_function(self.count)

    def create(self, number: int, image: bytes) -> str:
        """Make a domain from an image."""
        self.domains.append(number)
        return f"domain {number}, {len(image)} bytes"

    def count(self) -> int:
        """How many there are."""
        return len(self.domains)


if __name__ == "__main__":
    with Daemon(sys.argv[1]) as daemon:
        daemon.serve_forever()
