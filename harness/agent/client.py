"""Requests and answers in JSON lines over any transport (docs/protocol.md, "Control").

The client does not know what carries the bytes; transports do not know what the bytes say.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from harness import clock
from harness.agent import answers
from harness.agent.answers import Answer, Hello, Refusal
from harness.errors import ConnectionLost, DeadlineExceeded, TestbedError

MAX_LINE = 4 << 20
PROBE_SECONDS = 1.0
BUSY_SECONDS = 0.02
A = TypeVar("A", bound=Answer)


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
    """One agent's control channel. Requests of several threads come one after the other.

    `opened` gives the transport, at the first request and when one broke: someone else may take
    a guest's port away from us at any time. Every request can be asked twice (docs/protocol.md).
    """

    def __init__(
        self,
        opened: Callable[[], Transport],
        where: str,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._opened, self.where = opened, where
        self._on_event = on_event or (lambda _event: None)
        self._transport: Transport | None = None
        self._buffer = bytearray()
        self._lock = threading.Lock()
        # An answer to whoever had the port before us must not look like one to us.
        self._next_id = secrets.randbits(48)

    def ask(self, answer: type[A], op: str, *, within: float = 10.0, **arguments: Any) -> A:
        """One request, and its answer as a checked model. Raises also AgentBabbles."""
        said = self.call(op, within=within, **arguments)
        return answers.parse(answer, said, op, self.where)

    def call(self, op: str, *, within: float = 10.0, **arguments: Any) -> dict[str, Any]:
        """One request, and its answer; asked once more over a new transport when this one broke.

        Raises AgentRefused, DeadlineExceeded, or ConnectionLost.
        """
        deadline = clock.Deadline(within)
        with self._lock:
            try:
                return self._exchange(op, deadline, arguments)
            except ConnectionLost:
                self.close()
            return self._exchange_again(op, deadline, arguments)

    def _exchange_again(
        self, op: str, deadline: clock.Deadline, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """The agent may still be busy with what was asked before the channel broke."""
        while True:
            try:
                return self._exchange(op, deadline, arguments)
            except AgentRefused as refusal:
                if refusal.code != "busy" or deadline.expired:
                    raise
            clock.sleep(BUSY_SECONDS)

    def _exchange(
        self, op: str, deadline: clock.Deadline, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        if self._transport is None:
            self._connect(deadline)
        answer = self._request(op, deadline, arguments)
        if answer.get("ok") is not True:
            fault = answers.parse(Refusal, answer, op, self.where).error
            raise AgentRefused(op, fault.code, fault.message, self.where)
        return answer

    def _connect(self, deadline: clock.Deadline) -> None:
        """Open the channel, and say hello until the agent answers: it may still be booting, or
        half an answer to a client before us may be left in the port.
        """
        self._buffer.clear()
        self._transport = self._opened()
        try:
            while not self._greeted(deadline):
                pass
        except BaseException:
            self.close()
            raise

    def _greeted(self, deadline: clock.Deadline) -> bool:
        probe = clock.Deadline(min(PROBE_SECONDS, max(0.05, deadline.left())))
        try:
            answers.parse(Hello, self._request("hello", probe, {}), "hello", self.where)
        except DeadlineExceeded:
            if deadline.expired:
                raise
            return False
        return True

    def _request(
        self, op: str, deadline: clock.Deadline, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        assert self._transport is not None
        self._next_id += 1
        request = {"id": self._next_id, "op": op, **arguments}
        # A newline first: half a request of a client before us becomes a line of its own.
        line = b"\n" + json.dumps(request, separators=(",", ":")).encode() + b"\n"
        self._transport.send(line, within=deadline.left())
        return self._await(self._transport, self._next_id, op, deadline)

    def _await(
        self, transport: Transport, wanted: int, op: str, deadline: clock.Deadline
    ) -> dict[str, Any]:
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
            self._buffer += transport.receive(within=deadline.left())
            if len(self._buffer) > MAX_LINE:
                self._buffer.clear()
                raise TestbedError("the agent sends a line without end", where=self.where)

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def close(self) -> None:
        """Let go of the transport; a later request opens another."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def _parse(line: bytes) -> dict[str, Any] | None:
    """A message, or None for noise: a half line of before, or a guest that babbles."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
