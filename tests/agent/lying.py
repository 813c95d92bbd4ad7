"""A guest's port with no agent behind it: frames of the relay, made by hand."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

from agents import PATIENCE_S

FRAME = struct.Struct("<IIIIIIQQQQ")
MAGIC = 0x59525344
HELLO, OPEN, DATA, CREDIT, CLOSE, PROBE = range(1, 7)
WORD = 2**64 - 1


def siphash(data: bytes) -> int:
    """SipHash-2-4 with a key of zeros, as on every port."""
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        _mix(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _mix(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _turn(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & WORD


def _mix(v: list[int], rounds: int) -> None:
    for _ in range(rounds):
        v[0], v[2] = (v[0] + v[1]) & WORD, (v[2] + v[3]) & WORD
        v[1], v[3] = _turn(v[1], 13) ^ v[0], _turn(v[3], 16) ^ v[2]
        v[0], v[2] = (_turn(v[0], 32) + v[3]) & WORD, (v[2] + v[1]) & WORD
        v[1], v[3] = _turn(v[1], 17) ^ v[2], _turn(v[3], 21) ^ v[0]
        v[2] = _turn(v[2], 32)


class LyingGuest:
    """It says whatever it likes to the agent of its host, which finds it at `socket`."""

    def __init__(self, path: Path) -> None:
        self.socket = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(PATIENCE_S)
        self._heard = b""

    def greet(self) -> int:
        """Meet the host's agent; returns which domain that says it is."""
        self._port, _ = self._listener.accept()
        self._port.settimeout(PATIENCE_S)
        hello = self.hear(HELLO)
        self._theirs = hello["channel"]
        self.say(HELLO, 0, 0, channel=77)
        return int(hello["source"])

    def say(self, kind: int, source: int, target: int, *, channel: int, amount: int = 0) -> None:
        """One frame without payload."""
        head = FRAME.pack(MAGIC, kind, 0, source, target, amount, channel, self._theirs, 0, 0)
        whole = head[:-8] + struct.pack("<Q", siphash(head[:-8]))
        self._port.sendall(whole)

    def hear(self, kind: int) -> dict[str, Any]:
        """The next frame of that kind; others are passed over."""
        while True:
            start = self._heard.find(struct.pack("<I", MAGIC))
            self._heard = self._heard[start:] if start >= 0 else b""
            if len(self._heard) >= FRAME.size:
                fields = FRAME.unpack_from(self._heard)
                self._heard = self._heard[FRAME.size + fields[2] :]
                if fields[1] == kind:
                    return dict(
                        zip(("source", "target", "amount", "channel"), fields[3:7], strict=True)
                    )
                continue
            data = self._port.recv(65536)
            assert data, "the host's agent has hung up"
            self._heard += data

    def close(self) -> None:
        """It is gone."""
        self._port.close()
        self._listener.close()
