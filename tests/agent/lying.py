"""A guest's port with no agent behind it: frames of the relay, made by hand."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

from agents import PATIENCE_S
from nacl.encoding import RawEncoder
from nacl.hash import siphash24

FRAME = struct.Struct("<IIIIIIQQQQ")
MAGIC = 0x59525344
HELLO, OPEN, DATA, CREDIT, CLOSE, PROBE = range(1, 7)


def siphash(data: bytes) -> bytes:
    """SipHash-2-4 with a key of zeros, as on every port."""
    return siphash24(data, key=bytes(16), encoder=RawEncoder)


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
        whole = head[:-8] + siphash(head[:-8])
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
