"""A man in the middle: he sees records, and alters what he likes."""

from __future__ import annotations

import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from agents import Proxy
from hand_made import HEADER, HELLO
from sealing import LENGTH, TAG_SIZE

TO_G1, TO_G2 = "to g1", "to g2"
HELLO_SIZE = HEADER.size + HELLO.size
Deed = Callable[["Middleman", list[bytes]], bytes]


@dataclass
class Way:
    """One direction of one connection."""

    direction: str
    hello: bytes = b""
    held: bytes = b""
    waiting: list[bytes] = field(default_factory=list)


class Middleman(Proxy):
    """Passes on what he is not asked to spoil, and remembers what has passed."""

    def __init__(self, target: int) -> None:
        self.noise = random.Random(5)
        self.seen: dict[str, bytes] = {TO_G1: b"", TO_G2: b""}
        self.last = {TO_G1: deque[bytes](maxlen=1), TO_G2: deque[bytes](maxlen=1)}
        self.alter_hello: Callable[[bytes], bytes] = lambda hello: hello
        self._ways: dict[socket.socket, Way] = {}
        self._order: tuple[str, int, Deed] | None = None
        super().__init__(target)

    def spoil(self, direction: str, count: int, deed: Deed) -> None:
        """Do it to the next so many records, once."""
        self._order = (direction, count, deed)

    @property
    def done(self) -> bool:
        """Whether it has been done."""
        return self._order is None

    def _introduce(self, caller: socket.socket, callee: socket.socket) -> None:
        self._ways = {caller: Way(TO_G1), callee: Way(TO_G2)}

    def _alter(self, source: socket.socket, data: bytes) -> bytes:
        way = self._ways[source]
        self.seen[way.direction] = (self.seen[way.direction] + data)[-(1 << 20) :]
        way.held += data
        out = self._take_hello(way) if not way.hello else b""
        while way.hello and (record := _take_record(way)):
            out += self._treat(way, record)
        return out

    def _take_hello(self, way: Way) -> bytes:
        if len(way.held) < HELLO_SIZE:
            return b""
        way.hello, way.held = way.held[:HELLO_SIZE], way.held[HELLO_SIZE:]
        return self.alter_hello(way.hello)

    def _treat(self, way: Way, record: bytes) -> bytes:
        before = way.waiting
        if self._order is None or self._order[0] != way.direction:
            self.last[way.direction].append(record)
            return record
        _, count, deed = self._order
        before.append(record)
        if len(before) < count:
            return b""
        way.waiting, self._order = [], None
        return deed(self, before)


def _take_record(way: Way) -> bytes:
    if len(way.held) < LENGTH.size:
        return b""
    size = LENGTH.size + LENGTH.unpack_from(way.held)[0] + TAG_SIZE
    if len(way.held) < size:
        return b""
    record, way.held = way.held[:size], way.held[size:]
    return record


def flip(data: bytes, bit: int) -> bytes:
    """The same with one bit turned round."""
    return (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")
