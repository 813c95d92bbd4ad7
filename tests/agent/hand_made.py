"""A hand-made peer, for saying what no agent would say."""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct

from agents import Agent, Pair, wait_until

HEADER = struct.Struct("<HBBIIIQQ")
HELLO = struct.Struct("<HHIIIQ32s32s")
SLOT = struct.Struct("<IIQQ")
OPENING = struct.Struct("<IIIIQQ")
MARK = struct.Struct("<IIQ")
STATE = struct.Struct("<IIQQ")
HELLO_TYPE, AUTH, RESYNC, EXPORT, KICK = 1, 2, 3, 4, 7
OPEN, OPENED, DATA, ACK, FIN, RST, CLOSED = 16, 17, 18, 19, 20, 21, 22
ACK_FIN = 1  # a flag
VERSION = 2
PREPARE, PREPARED, FENCE, DRAINED, COMMIT, RELEASE = 32, 33, 34, 35, 36, 37
WINDOW = 262144
BY_TCP = OPENING.pack(WINDOW, 0, 0, 0, 0, 0)  # OPEN, with no slot; the name follows


def proof(mine: bytes, theirs: bytes) -> bytes:
    """The code by which a side shows that it knows the key, to the other side's challenge."""
    text = b"domsock link 1\0" + mine + theirs
    return hmac.new(bytes.fromhex(Pair.KEY), text, hashlib.sha512).digest()[:32]


class Peer:
    """A hand-made peer g2 that can speak the protocol, or not."""

    def __init__(self, agent: Agent, incarnation: int = 1, to: int = 3) -> None:
        self.socket = socket.create_connection(("127.0.0.1", agent.port))
        self.socket.settimeout(10)
        self.incarnation = incarnation
        self._name = b"g2"
        self.number = 0  # of the next message
        self.stream = 0  # whose the last message was
        self._to = to

    def send(
        self,
        kind: int,
        payload: bytes = b"",
        stream: int = 0,
        offset: int = 0,
        epoch: int = 0,
        flags: int = 0,
    ) -> None:
        about = (len(payload), stream, epoch, offset, self.number)
        self.number += 1
        self.socket.sendall(HEADER.pack(0x5344, kind, flags, *about) + payload)

    def receive(self) -> tuple[int, bytes]:
        header = self._exactly(HEADER.size)
        _, kind, _, length, self.stream, *_ = HEADER.unpack(header)
        return kind, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def hello(self, version: int = VERSION, peer_id: int = 4) -> bytes:
        """What this peer says of itself."""
        ids = (1, peer_id, self._to, self.incarnation)
        return HELLO.pack(version, version, *ids, bytes(32), self._name)

    def say_hello(self, mine: bytes) -> bytes:
        """Say it, and return what the agent says of itself."""
        self.send(HELLO_TYPE, mine)
        kind, theirs = self.receive()
        assert kind == HELLO_TYPE
        return theirs

    def prove_itself(self) -> None:
        """Up to where both sides have said RESYNC, or may."""
        mine = self.hello()
        self.send(AUTH, proof(mine, self.say_hello(mine)))
        assert self.receive()[0] == AUTH
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
            while True:
                self.receive()
        except ConnectionError:
            return True


def serve(agent: Agent) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    path = agent.run_dir / "self" / "sink"
    server.bind(str(path))
    path.chmod(0o666)
    server.listen(2000)
    wait_until(lambda: agent.call("exports")["local"] == ["sink"], "the export is known")
    return server
