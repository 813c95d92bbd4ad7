"""Between a session and the helper inside its lab: JSON lines over one socket pair.

Which verbs there are, what they take and what comes back stands in `contract.Steward`; both ends
read its annotations, and refuse what does not fit them.
"""

from __future__ import annotations

import inspect
import json
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from itertools import count
from typing import Any, Protocol, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from harness import errors
from harness.errors import ConnectionLost, DeadlineExceeded, TestbedError
from harness.pytest_plugin.contract import Steward

__tracebackhide__ = True  # a failure shows the test, not us
PATIENCE = 600.0
KINDS: Mapping[str, type[TestbedError]] = {
    kind.__name__: kind
    for kind in (
        errors.TestbedError,
        errors.DeadlineExceeded,
        errors.ConnectionLost,
        errors.UsageError,
        errors.SubjectFailed,
    )
}


@dataclass(frozen=True)
class Failure:
    """An error on its way to the other end."""

    kind: str
    what: str
    where: str = ""
    why: str = ""
    fix: str = ""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The nearest kind that the other end knows. What is no error of ours is a bug."""
        if not isinstance(error, TestbedError):
            why = f"{type(error).__name__}: {error}"
            return cls("TestbedError", "the helper inside the lab tripped", why=why)
        kind = next(base.__name__ for base in type(error).mro() if base.__name__ in KINDS)
        return cls(kind, error.what, error.where, error.why, error.fix)

    def error(self) -> TestbedError:
        """The error that it was."""
        kind = KINDS.get(self.kind, TestbedError)
        return kind(self.what, where=self.where, why=self.why, fix=self.fix)


@dataclass(frozen=True)
class Verb:
    """One method of the contract, as its annotations have it."""

    name: str
    arguments: dict[str, TypeAdapter[Any]]
    result: TypeAdapter[Any]

    def bind(self, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        """Arguments by their names, as plain data."""
        given = {**dict(zip(self.arguments, values, strict=False)), **named}
        return {name: kind.dump_python(given[name]) for name, kind in self.arguments.items()}

    def perform(self, steward: Steward, arguments: dict[str, Any]) -> Any:
        """Do it, with arguments that fit; gives plain data."""
        checked = {name: kind.validate_python(arguments[name]) for name, kind in self.named()}
        return self.result.dump_python(getattr(steward, self.name)(**checked), mode="json")

    def named(self) -> list[tuple[str, TypeAdapter[Any]]]:
        """Its arguments in order."""
        return list(self.arguments.items())


@cache
def verb(name: str) -> Verb:
    """The contract's method of that name. Raises AttributeError when it has none."""
    method = None if name.startswith("_") else getattr(Steward, name, None)
    if not inspect.isfunction(method):
        raise AttributeError(f"a steward has no verb {name!r}")
    hints = get_type_hints(method)
    result = TypeAdapter[Any](hints.pop("return"))
    return Verb(name, {key: TypeAdapter(hint) for key, hint in hints.items()}, result)


class Line(Protocol):
    """One end, to send whole messages."""

    def sendall(self, data: bytes, /) -> None:
        """Send it all."""


def _send(line: Line, lock: threading.Lock, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode() + b"\n"
    with lock:
        line.sendall(data)


class Caller:
    """The session's end. Calls of several threads are under way at the same time."""

    def __init__(self, end: socket.socket, epitaph: Callable[[], str]) -> None:
        self._end, self._epitaph = end, epitaph
        self._lock, self._numbers = threading.Lock(), count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._gone = False
        threading.Thread(target=self._listen, name="testbed-answers", daemon=True).start()

    @property
    def steward(self) -> Steward:
        """The steward at the other end."""
        return cast(Steward, _Remote(self))

    def call(self, wanted: Verb, arguments: dict[str, Any]) -> Any:
        """Ask, and wait for the answer.

        Raises what the verb raised there, ConnectionLost when the helper is gone, and
        DeadlineExceeded when it does not answer in ten minutes more than the verb may take.
        """
        within = PATIENCE + float(arguments.get("within", 0.0))
        number, answer = next(self._numbers), Future[dict[str, Any]]()
        self._waiting[number] = answer
        try:
            self._ask({"number": number, "verb": wanted.name, "arguments": arguments})
            heard = answer.result(within)
        except FutureTimeout:
            raise DeadlineExceeded(f"the helper did not {wanted.name} in {within:g} s") from None
        finally:
            self._waiting.pop(number, None)
        if heard["failure"]:
            raise Failure(**heard["failure"]).error()
        return wanted.result.validate_python(heard["value"])

    def _ask(self, message: dict[str, Any]) -> None:
        if self._gone:
            raise self._lost()
        try:
            _send(self._end, self._lock, message)
        except OSError:
            raise self._lost() from None

    def _lost(self) -> ConnectionLost:
        return ConnectionLost("the helper inside the lab is gone", why=self._epitaph())

    def _listen(self) -> None:
        try:
            with self._end.makefile("rb") as lines:
                for text in lines:
                    heard = json.loads(text)
                    if waiting := self._waiting.get(heard["number"]):
                        waiting.set_result(heard)
        except (OSError, ValueError):
            pass  # it ended in the middle of a word
        self._gone = True
        for waiting in list(self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(self._lost())

    def close(self) -> None:
        """Hang up; the helper hears it and ends."""
        with suppress(OSError):  # the other end was first
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()


class _Remote:
    """Has every verb of the contract, and passes each on."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __getattr__(self, name: str) -> Callable[..., Any]:
        wanted = verb(name)
        return lambda *values, **named: self._caller.call(wanted, wanted.bind(values, named))


def serve(end: socket.socket, steward: Steward) -> None:
    """Do what is asked, each in a thread of its own, until the other end hangs up."""
    lock = threading.Lock()
    with end.makefile("rb") as lines:
        for text in lines:
            asked = json.loads(text)
            threading.Thread(target=_answer, args=(end, lock, steward, asked), daemon=True).start()


def _answer(
    end: socket.socket, lock: threading.Lock, steward: Steward, asked: dict[str, Any]
) -> None:
    value, failure = None, None
    try:
        value = verb(asked["verb"]).perform(steward, asked["arguments"])
    except (Exception, ValidationError) as error:
        failure = asdict(Failure.of(error))
    try:
        _send(end, lock, {"number": asked["number"], "value": value, "failure": failure})
    except OSError:
        return  # nobody waits for it any more
