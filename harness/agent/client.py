"""Requests and answers in JSON lines over any transport (docs/protocol.md, "Control").

The client does not know what carries the bytes; transports do not know what the bytes say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from harness import clock
from harness.errors import ConnectionLost, DeadlineExceeded, TestbedError

MAX_LINE = 4 << 20
PROBE_SECONDS = 1.0
A = TypeVar("A", bound=BaseModel)


class Transport(Protocol):
    """A two-way byte pipe with deadlines."""

    def send(self, data: bytes, *, within: float) -> None:
        """Write everything, or raise."""

    def receive(self, *, within: float) -> bytes:
        """What has come; empty when nothing came in time."""

    def close(self) -> None:
        """Let go."""


class AgentRefused(TestbedError):
    """The agent understood the request and says no. `code` is its word for why."""

    def __init__(self, op: str, code: str, message: str, where: str) -> None:
        super().__init__(f"the agent refuses {op}", where=where, why=f"{message} [{code}]")
        self.code = code


class AgentClient:
    """One control connection. Not for several threads at once.

    `opened` gives the transport, and gives another when one broke: someone else may take a
    guest's port away from us at any time. Every request can be asked twice (docs/protocol.md).
    """

    def __init__(
        self,
        opened: Callable[[], Transport],
        where: str,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._opened, self.where = opened, where
        self._transport = opened()
        self._on_event = on_event or (lambda _event: None)
        self._buffer = bytearray()
        self._next_id = 0

    def greet(self, *, within: float) -> dict[str, Any]:
        """Say hello until the agent answers: it may still be booting, or half a line may be left
        in the port from a client before us.
        """
        self._transport.send(b"\n", within=within)
        deadline = clock.Deadline(within)
        while True:
            try:
                return self.call("hello", within=min(PROBE_SECONDS, max(0.05, deadline.left())))
            except DeadlineExceeded:
                if deadline.expired:
                    raise

    def ask(self, answer: type[A], op: str, *, within: float = 10.0, **arguments: Any) -> A:
        """One request, and its answer as a checked model. Raises also for an answer amiss."""
        said = self.call(op, within=within, **arguments)
        try:
            return answer.model_validate(said)
        except ValidationError as error:
            raise TestbedError(
                f"the agent's answer to {op} makes no sense", where=self.where, why=str(error)
            ) from None

    def call(self, op: str, *, within: float = 10.0, **arguments: Any) -> dict[str, Any]:
        """One request, and its answer; asked once more over a new transport when this one broke.

        Raises AgentRefused, DeadlineExceeded, or ConnectionLost.
        """
        try:
            answer = self._request(op, within, arguments)
        except ConnectionLost:
            self._transport.close()
            self._transport, self._buffer = self._opened(), bytearray(b"")
            self._transport.send(b"\n", within=within)
            answer = self._request(op, within, arguments)
        if not answer.get("ok"):
            error = answer.get("error")
            detail = error if isinstance(error, dict) else {}
            code, message = str(detail.get("code", "?")), str(detail.get("message", answer))
            raise AgentRefused(op, code, message, self.where)
        return answer

    def _request(self, op: str, within: float, arguments: dict[str, Any]) -> dict[str, Any]:
        self._next_id += 1
        request = {"id": self._next_id, "op": op, **arguments}
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        self._transport.send(line, within=within)
        return self._await(self._next_id, op, clock.Deadline(within))

    def _await(self, wanted: int, op: str, deadline: clock.Deadline) -> dict[str, Any]:
        while True:
            while (line := self._take_line()) is not None:
                message = _parse(line)
                if message is None:
                    continue
                if message.get("id") == wanted:
                    return message
                if "event" in message:
                    self._on_event(message)
            if deadline.expired:
                raise DeadlineExceeded(
                    f"the agent did not answer {op} within {deadline.seconds:g} s", where=self.where
                )
            self._buffer += self._transport.receive(within=deadline.left())
            if len(self._buffer) > MAX_LINE:
                self._buffer.clear()
                raise TestbedError("the agent sends a line without end", where=self.where)

    def _take_line(self) -> bytes | None:
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = bytearray(rest)
        return bytes(line)

    def close(self) -> None:
        """Let go of the transport."""
        self._transport.close()


def _parse(line: bytes) -> dict[str, Any] | None:
    """A message, or None for noise: a half line of before, or a guest that babbles."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
