"""What a session asks comes to the steward as it was meant, and so do answers and errors."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness.errors import (
    CommandFailed,
    ConnectionLost,
    DeadlineExceeded,
    SubjectFailed,
    TestbedError,
    UsageError,
)
from harness.model.topology import lab_topology
from harness.pytest_plugin import wire
from harness.pytest_plugin.contract import Steward
from harness.pytest_plugin.fake import FakeSteward
from harness.run import Completed


class Wired:
    """A fake at one end, what a session sees of it at the other."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.fake = FakeSteward(lab_topology())
        self.caller = wire.Caller(self.ours, lambda: "its last words")
        self.server = threading.Thread(target=wire.serve, args=(self.theirs, self.fake))
        self.server.start()

    @property
    def steward(self) -> Steward:
        return self.caller.steward

    def end(self) -> None:
        self.caller.close()
        self.server.join(10)
        assert not self.server.is_alive(), "the helper ends when the session hangs up"
        self.theirs.close()


@pytest.fixture
def wired() -> Iterator[Wired]:
    made = Wired()
    yield made
    made.end()


def test_every_verb_crosses_with_its_types(wired: Wired) -> None:
    standing = wired.steward.bring_up("lab", "/x")
    assert standing == wired.fake.bring_up("lab", "/x")
    done = wired.steward.run_in_guest("g1", ["echo", "ü\n"], 5.0)
    assert done == Completed(("echo", "ü\n"), 0, "", "")
    assert wired.steward.migrate("g1", "h2", bandwidth_mib=3).destination == "h2"
    assert wired.steward.places() == {"g1": "h2", "g2": "h1"}
    wired.steward.start_traffic("t1", "g1", "g2", seed=1, streams=2)
    assert wired.steward.path("t1") == "tcp"
    assert wired.steward.felt(wired.steward.watch("t1")) == wired.fake.felt(0)
    assert wired.steward.stop_traffic("t1") == wired.fake.stop_traffic("t1")


@pytest.mark.parametrize(
    ("thrown", "kind"),
    [
        (UsageError("no", where="here", why="so", fix="do"), UsageError),
        (SubjectFailed("no"), SubjectFailed),
        (DeadlineExceeded("late"), DeadlineExceeded),
        (CommandFailed(["x"], 3, "", "bad"), TestbedError),
        (ValueError("what"), TestbedError),
    ],
)
def test_errors_come_back_as_what_they_are(
    wired: Wired, thrown: Exception, kind: type[TestbedError]
) -> None:
    def answer(_where: str, _argv: list[str]) -> Completed:
        raise thrown

    wired.fake.answer = answer
    with pytest.raises(TestbedError) as caught:
        wired.steward.run_in_guest("g1", ["x"], 1.0)
    assert type(caught.value) is kind
    assert str(thrown) in str(caught.value)


def test_calls_of_several_threads_do_not_wait_for_each_other(wired: Wired) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def answer(_where: str, argv: list[str]) -> Completed:
        asked.set()
        assert go_on.wait(10)
        return Completed(tuple(argv), 0, "late", "")

    wired.fake.answer = answer
    said: list[Completed] = []
    slow = threading.Thread(
        target=lambda: said.append(wired.steward.run_in_guest("g1", ["slow"], 1.0))
    )
    slow.start()
    assert asked.wait(10)
    assert wired.steward.places() == {"g1": "h1", "g2": "h1"}
    go_on.set()
    slow.join(10)
    assert [done.stdout for done in said] == ["late"]


def test_a_helper_that_dies_in_a_call_is_told_with_its_last_words(wired: Wired) -> None:
    def answer(_where: str, argv: list[str]) -> Completed:
        wired.theirs.shutdown(socket.SHUT_RDWR)
        return Completed(tuple(argv), 0, "", "")

    wired.fake.answer = answer
    with pytest.raises(ConnectionLost, match="its last words"):
        wired.steward.run_in_guest("g1", ["x"], 1.0)
    with pytest.raises(ConnectionLost):
        wired.steward.places()


def test_a_helper_that_never_answers_has_a_deadline(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    wired.fake.answer = lambda _where, argv: Completed(tuple(argv), int(not go_on.wait(10)), "", "")
    monkeypatch.setattr(wire, "PATIENCE", 0.05)
    with pytest.raises(DeadlineExceeded, match="did not run_in_guest"):
        wired.steward.run_in_guest("g1", ["x"], 0.0)
    go_on.set()


@pytest.mark.parametrize("name", ["__class__", "_private", "unheard_of", "close"])
def test_only_verbs_of_the_contract_can_be_asked(wired: Wired, name: str) -> None:
    with pytest.raises(AttributeError):
        wire.verb(name)
    with pytest.raises(AttributeError):
        getattr(wired.steward, name if name != "__class__" else "_class")


@pytest.mark.parametrize(
    "arguments", [{}, {"guest": 3, "to": "h2", "bandwidth_mib": 0}, {"guest": "g1", "to": "h2"}]
)
def test_arguments_that_do_not_fit_do_nothing(wired: Wired, arguments: dict[str, Any]) -> None:
    with pytest.raises(TestbedError):
        wired.caller.call(wire.verb("migrate"), arguments)
    assert wired.fake.at["g1"] == "h1"
