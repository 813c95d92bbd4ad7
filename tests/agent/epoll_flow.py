"""A program of the shim's tests: one thread, one epoll, one stream with both directions full.

    epoll_flow.py level|edge|once listen PORT | connect CID PORT

Prints and checks what vsock_flow.py does.
"""

from __future__ import annotations

import os
import random
import select
import socket
import sys

from programs import BLOCK, pattern
from vsock_flow import connected

FLAGS = {"level": 0, "edge": select.EPOLLET, "once": select.EPOLLONESHOT}


class Stream:
    """One end: sends the pattern of one seed, checks that of the other."""

    def __init__(self, end: socket.socket, own: int, theirs: int) -> None:
        self.end, self.own, self.theirs = end, own, theirs
        self.sent = self.checked = 0
        self.sending = self.receiving = True
        self._sizes = random.Random(own)

    def send(self, stopping: bool) -> None:
        """Send until there is no room; the end of the stream, once it is time."""
        try:
            while self.sending and not stopping:
                block, at = divmod(self.sent, BLOCK)
                size = self._sizes.choice((1, 100, 1000, 20000, BLOCK))
                self.sent += self.end.send(pattern(self.own, block)[at : at + size])
        except BlockingIOError:
            return
        if self.sending:
            self.end.shutdown(socket.SHUT_WR)
            self.sending = False

    def receive(self) -> None:
        """Check all that is there."""
        try:
            while data := self.end.recv(BLOCK):
                self._check(data)
            self.receiving = False
        except BlockingIOError:
            pass

    def _check(self, data: bytes) -> None:
        while data:
            block, at = divmod(self.checked, BLOCK)
            expected = pattern(self.theirs, block)[at : at + len(data)]
            assert data.startswith(expected), f"wrong bytes near {self.checked}"
            self.checked += len(expected)
            data = data[len(expected) :]


def play(stream: Stream, flags: int) -> None:
    """Go on until both directions have ended."""
    poller = select.epoll()
    wanted = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP
    poller.register(stream.end, wanted | flags)
    poller.register(0, select.EPOLLIN)
    stopping = False
    while stream.sending or stream.receiving:
        for fd, events in poller.poll():
            if fd == 0:
                stopping = not os.read(0, 1)
                poller.unregister(0)
            if events & select.EPOLLIN and fd != 0:
                stream.receive()
            if events & select.EPOLLOUT or stopping:
                stream.send(stopping)
            wanted = (select.EPOLLIN * stream.receiving) | (select.EPOLLOUT * stream.sending)
            if flags != select.EPOLLET and (stream.sending or stream.receiving):
                poller.modify(stream.end, wanted | flags)


def main(argv: list[str]) -> None:
    listens = argv[1] == "listen"
    end = connected(argv[1:])
    end.setblocking(False)
    stream = Stream(end, int(listens), int(not listens))
    print("connected", flush=True)
    try:
        play(stream, FLAGS[argv[0]])
    except OSError as error:
        print(f"failed: {error}", flush=True)
        return
    print(f"sent {stream.sent} checked {stream.checked}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
