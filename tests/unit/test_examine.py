"""What doctor makes of answers of hosts; the answers themselves are tested with real hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from harness import clock
from harness.errors import TestbedError, UsageError
from harness.hosts.checks import attempt
from harness.hosts.fake import FakeHost
from harness.run import Completed
from harness.testbed import examine, pairs


def done(argv: Sequence[str], code: int = 0, out: str = "", err: str = "") -> Completed:
    return Completed(tuple(argv), code, out, err)


def test_an_error_is_a_finding_with_its_fix() -> None:
    def fails() -> str:
        raise UsageError("no", why="never", fix="try")

    assert attempt("x", "", lambda: "fine").ok
    found = attempt("x", "", fails)
    assert (found.ok, found.found, found.fix) == (False, "no: never", "try")
    assert attempt("x", "better", fails).fix == "better"


@pytest.mark.parametrize(("ahead", "good"), [(0.0, True), (30.0, False), (-30.0, False)])
def test_a_clock_is_judged_in_both_directions(ahead: float, good: bool) -> None:
    def answer(argv: Sequence[str], _input: str | None) -> Completed:
        return done(argv, out=f"{clock.utc().timestamp() + ahead:.6f}\n")

    found = examine._time(FakeHost("h1", answer))
    assert found.ok == good and ("s from ours" in found.found) == (not good)


class Peer(FakeHost):
    """A host that holds programs, or cannot."""

    def __init__(self, name: str, refuses: str = "", said: str = "") -> None:
        def answer(argv: Sequence[str], _input: str | None) -> Completed:
            return done(argv, int(bool(said)), err=said)

        super().__init__(name, answer)
        self.refuses, self.held, self.target = refuses, list[Sequence[str]](), self

    @contextmanager
    def holding(self, argv: Sequence[str]) -> Iterator[None]:
        if self.refuses:
            raise TestbedError(self.refuses)
        self.held.append(argv)
        yield


@pytest.mark.parametrize(
    ("said", "good"),
    [("", True), ("connect: Connection refused", True), ("", True), ("no answer", False)],
)
def test_a_refusal_has_come_through_a_tunnel(said: str, good: bool) -> None:
    one: Any = Peer("h1", said=said)
    other: Any = Peer("h2")
    found = pairs._tunnel(one, other, 77)
    assert found.ok == good
    assert "fake-h1" in one.held[0] and "fake-h2" in one.held[0]  # both ends know each other


def test_a_refusal_is_no_open_port() -> None:
    one: Any = Peer("h1", said="connect: Connection refused")
    other: Any = Peer("h2")
    found = pairs._migration(one, other)
    assert not found.ok and "open TCP 49152-49215 on h2 for fake-h1" in found.fix


@pytest.mark.parametrize(
    ("said", "good", "fix"),
    [
        ("", True, ""),
        ("connect: Connection refused", False, "provision"),
        ("no answer", False, "open TCP 7778 on h2 for fake-h1"),
    ],
)
def test_the_relays_port_is_tried(said: str, good: bool, fix: str) -> None:
    one: Any = Peer("h1", said=said)
    other: Any = Peer("h2")
    found = pairs._relay(one, other)
    assert found.ok == good and (good or fix in found.fix)
    assert one.calls[-1][-2:] == ("fake-h2", "7778")


def test_a_host_that_cannot_try_is_a_finding() -> None:
    one: Any = Peer("h1")
    other: Any = Peer("h2", refuses="python3: not found")
    assert pairs._migration(one, other).found == "python3: not found"
    assert not pairs._tunnel(one, other, 1).ok
