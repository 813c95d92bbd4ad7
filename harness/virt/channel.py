"""A libvirt stream as a plain byte transport with deadlines.

Blocking streams hang now and then while an event loop runs; so the stream is non-blocking and
polled.
"""

from __future__ import annotations

from typing import Any

import libvirt

from harness import clock
from harness.errors import ConnectionLost, DeadlineExceeded

CHUNK = 65536
POLL_SECONDS, SLOWEST_POLL = 0.001, 0.02
PATIENCE = 50


class StreamTransport:
    """Bytes to and from a guest's port."""

    def __init__(self, stream: Any, where: str) -> None:
        self._stream, self.where = stream, where
        self._open = True

    def send(self, data: bytes, *, within: float) -> None:
        """Write all of `data`. Raises DeadlineExceeded, or ConnectionLost when the port is gone."""
        deadline = clock.Deadline(within)
        while data:
            sent = self._try(self._stream.send, data)
            if sent > 0:
                data = data[sent:]
            elif deadline.expired:
                raise DeadlineExceeded("the guest's port takes no more bytes", where=self.where)
            else:
                _pause(deadline)

    def receive(self, *, within: float) -> bytes:
        """Whatever has come, waiting up to `within` seconds for it; empty when nothing came.

        Raises ConnectionLost when the port was closed (the guest ended, or moved away).
        """
        deadline = clock.Deadline(within)
        while True:
            data = self._try(self._stream.recv, CHUNK)
            if isinstance(data, bytes):
                if not data:
                    raise ConnectionLost("the guest's port was closed", where=self.where)
                return data
            if deadline.expired:
                return b""
            _pause(deadline)

    def _try(self, call: Any, argument: Any) -> Any:
        try:
            return call(argument)
        except libvirt.libvirtError as error:
            raise ConnectionLost(
                "the guest's port broke", where=self.where, why=str(error)
            ) from error

    def close(self) -> None:
        """Let go of the port; safe to call twice."""
        if self._open:
            self._open = False
            try:
                self._stream.abort()
            except libvirt.libvirtError:
                return


def _pause(deadline: clock.Deadline) -> None:
    """Until the next look: a fiftieth of what was waited already. An answer that comes at once is
    had at once, and a guest that boots is not robbed of its processor by whoever waits for it.
    """
    pause = min(max(POLL_SECONDS, deadline.waited / PATIENCE), SLOWEST_POLL)
    clock.sleep(min(pause, deadline.left()))
