"""The socket that binds a lab to its starter, and the few words spoken over it.

PID 1 says ``ready`` or ``failed``; the starter says ``keep`` and hears ``kept``. When either side
dies, the kernel closes its end and the other reads EOF: this is how a lab knows that its starter
was killed. Each message carries the sender's pid, translated by the kernel into the receiver's
pid namespace: so the starter learns which process of its own world is the lab's PID 1.
"""

from __future__ import annotations

import json
import socket
import struct

from harness.errors import DeadlineExceeded

_CREDENTIALS = struct.Struct("3i")
_LIMIT = 8192


class Channel:
    """One end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.peer_pid = 0

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """The starter's end and the one that PID 1 inherits."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return cls(ours), cls(theirs)

    @classmethod
    def inherited(cls, fd: int) -> Channel:
        """The end that was passed to us as a file descriptor."""
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        """The descriptor, to hand it on."""
        return self._end.fileno()

    def say(self, word: str, **fields: str) -> None:
        """Send one message; does nothing when the other side is gone, it will be seen as EOF."""
        try:
            self._end.send(_message(word, fields), socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            return

    def hear(self, within: float | None = None) -> dict[str, str] | None:
        """The next message; None when the other side is gone."""
        self._end.settimeout(within)
        try:
            data, ancillary, _flags, _address = self._end.recvmsg(
                _LIMIT, socket.CMSG_SPACE(_CREDENTIALS.size)
            )
        except TimeoutError:
            raise DeadlineExceeded(f"the lab's PID 1 said nothing for {within:g} s") from None
        except ConnectionResetError:
            return None
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and data:
                self.peer_pid = _CREDENTIALS.unpack(value[: _CREDENTIALS.size])[0]
        return dict(json.loads(data)) if data else None

    def close(self) -> None:
        """Let go; the other side reads EOF."""
        self._end.close()


def _message(word: str, fields: dict[str, str]) -> bytes:
    """The message; texts lose their ends until it is short enough to be read whole."""
    while len(message := json.dumps({"word": word, **fields}).encode()) > _LIMIT:
        fields = {key: text[: len(text) // 2] for key, text in fields.items()}
    return message
