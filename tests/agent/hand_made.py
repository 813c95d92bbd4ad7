"""A hand-made peer, for saying what no agent would say."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from agents import Agent, Pair, wait_until
from sealing import LENGTH, TAG_SIZE, Seal, agree, key_id, public

HEADER = struct.Struct("<HBBIIIQQ")
HELLO = struct.Struct("<HHIIIQ32s64s32s")
EPHEMERAL = slice(24, 56)  # of a HELLO
SLOT = struct.Struct("<IIQQ")
OPENING = struct.Struct("<IIIIQQ")
MARK = struct.Struct("<IIQ")
STATE = struct.Struct("<IIQQ")
HELLO_TYPE, AUTH, RESYNC, EXPORT, KICK = 1, 2, 3, 4, 7
OPEN, OPENED, DATA, ACK, FIN, RST, CLOSED = 16, 17, 18, 19, 20, 21, 22
ACK_FIN = 1  # a flag
VERSION = 5
OPENING_LIFE = 1  # of a STATE
PREPARE, PREPARED, FENCE, DRAINED, COMMIT, RELEASE = 32, 33, 34, 35, 36, 37
WINDOW = 262144
BY_TCP = OPENING.pack(WINDOW, 0, 0, 0, 0, 0)  # OPEN, with no slot; the name follows


class Peer:
    """A hand-made peer g2 that can speak the protocol, or not."""

    def __init__(self, agent: Agent, incarnation: int = 1, to: int = 3) -> None:
        self.socket = socket.create_connection(("127.0.0.1", agent.port))
        self.socket.settimeout(10)
        self.incarnation = incarnation
        self._name = b"g2"
        self.number = 0  # of the next message
        self.stream = 0  # whose the last message was
        self.secret = os.urandom(32)
        self.sealed: tuple[Seal, Seal] | None = None  # what is sent, what comes
        self._opened = b""  # messages of a record that have yet to be looked at
        self._hello = b""  # as it was sent
        self._to = to

    def message(
        self,
        kind: int,
        payload: bytes = b"",
        stream: int = 0,
        offset: int = 0,
        epoch: int = 0,
        flags: int = 0,
    ) -> bytes:
        """The next message, as it travels once a record has been opened."""
        about = (len(payload), stream, epoch, offset, self.number)
        self.number += 1
        return HEADER.pack(0x5344, kind, flags, *about) + payload

    def send(self, *args: Any, **more: Any) -> None:
        """Send a `message`, in a record of its own if there are keys."""
        message = self.message(*args, **more)
        self.socket.sendall(self.sealed[0].close(message) if self.sealed else message)

    def receive(self) -> tuple[int, bytes]:
        header = self._next(HEADER.size)
        _, kind, _, length, self.stream, *_ = HEADER.unpack(header)
        return kind, self._next(length)

    def _next(self, size: int) -> bytes:
        """Bytes of messages: out of records, if there are keys."""
        if not self.sealed:
            return self._exactly(size)
        if size and not self._opened:
            self._opened = self.sealed[1].open(self.receive_record())
        data, self._opened = self._opened[:size], self._opened[size:]
        assert len(data) == size, "a record has whole messages"
        return data

    def receive_record(self) -> bytes:
        """A record as it travels."""
        head = self._exactly(LENGTH.size)
        return head + self._exactly(LENGTH.unpack(head)[0] + TAG_SIZE)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def hello(self, version: int = VERSION, peer_id: int = 4, key: str = Pair.KEY) -> bytes:
        """What this peer says of itself."""
        ids = (1, peer_id, self._to, self.incarnation)
        keys = key_id(bytes.fromhex(key))  # and no other
        return HELLO.pack(version, version, *ids, public(self.secret), keys, self._name)

    def say_hello(self, mine: bytes) -> bytes:
        """Say it, and return what the agent says of itself."""
        self._hello = self.message(HELLO_TYPE, mine)
        self.socket.sendall(self._hello)
        return self.receive_hello()

    def receive_hello(self) -> bytes:
        """The agent's HELLO as it travels."""
        header = self._exactly(HEADER.size)
        assert header[2] == HELLO_TYPE
        return header + self._exactly(HELLO.size)

    def seal(self, theirs: bytes, mine: bytes = b"", key: str = Pair.KEY) -> None:
        """Have the keys that follow from both HELLOs, or from another one than was said."""
        ephemeral = theirs[HEADER.size :][EPHEMERAL]
        hellos = (mine or self._hello, theirs)
        first = 1 if self._to > 4 else -1  # the lower domain id's comes first
        seals = agree(bytes.fromhex(key), self.secret, ephemeral, *hellos[::first])[::first]
        self.sealed = (Seal(seals[0]), Seal(seals[1]))

    def prove_itself(self) -> None:
        """Up to where both sides have said RESYNC, or may."""
        self.seal(self.say_hello(self.hello()))
        self.send(AUTH)
        assert self.receive() == (AUTH, b"")
        assert self.receive()[0] == RESYNC

    def open_stream(self) -> None:
        """From the beginning as far as one stream, by tcp, to what `serve` serves."""
        self.prove_itself()
        self.send(RESYNC)
        self.send(OPEN, BY_TCP + b"sink", stream=3)
        self.wait_for(OPENED)

    def wait_for(self, wanted: int) -> bytes:
        while True:
            kind, payload = self.receive()
            if kind == wanted:
                return payload

    def hand_over_to_shm(self, nonce: str, marks: bytes = b"") -> bytes:
        """Initiate a handover, to its end; return the slots that the agent has given out."""
        self.send(PREPARE, struct.pack("<II", 1, 5000) + bytes.fromhex(nonce))
        slots = self.wait_for(PREPARED)
        self.send(FENCE, marks)
        self.wait_for(FENCE)
        self.wait_for(DRAINED)
        self.send(COMMIT, epoch=1)
        self.wait_for(RELEASE)
        return slots

    def is_hung_up_on(self) -> bool:
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True


def serve(agent: Agent) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    path = agent.run_dir / "self" / "sink"
    server.bind(str(path))
    path.chmod(0o666)
    server.listen(2000)
    wait_until(lambda: agent.call("exports")["local"] == ["sink"], "the export is known")
    return server
