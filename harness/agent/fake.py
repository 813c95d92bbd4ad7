"""An agent in memory, for tests of everything above it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Handler = Callable[[dict[str, Any]], dict[str, Any]]
HELLO = {"name": "fake", "version": "0", "monotonic_ns": 1}


class FakeTransport:
    """Answers each request by its handler; raw bytes can be slipped in before an answer.

    It greets unless it is told how to.
    """

    def __init__(self, handlers: dict[str, Handler]) -> None:
        self.handlers = handlers
        handlers.setdefault("hello", lambda _: dict(HELLO))
        self.requests: list[dict[str, Any]] = []
        self.inbox = bytearray()
        self.closed = False

    def send(self, data: bytes, *, within: float) -> None:  # noqa: ARG002
        """Take requests and queue their answers."""
        for line in data.splitlines():
            if line:
                self._serve(json.loads(line))

    def _serve(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        handler = self.handlers.get(request["op"])
        if handler:
            answer = {"id": request["id"], "ok": True, **handler(request)}
            self.inbox += json.dumps(answer).encode() + b"\n"

    def receive(self, *, within: float) -> bytes:  # noqa: ARG002
        """Hand out what is queued, a few bytes at a time: lines must be put together again."""
        piece, self.inbox = bytes(self.inbox[:7]), self.inbox[7:]
        return piece

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
