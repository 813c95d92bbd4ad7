"""Guests, hosts and traffic as a test sees them, on a testbed in memory."""

from __future__ import annotations

import threading

import pytest

from harness import clock
from harness.errors import TestbedError, UsageError
from harness.model.topology import lab_topology
from harness.pytest_plugin import (
    ExpectationFailed,
    PromiseBroken,
    Testbed,
    Traffic,
    intact,
    invariants,
    stall_below,
)
from harness.pytest_plugin.fake import FakeRunning, FakeSteward
from harness.run import Completed


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> FakeRunning:
    monkeypatch.setattr(invariants, "LOOK_SECONDS", 0.01)
    return FakeRunning(lab_topology())


@pytest.fixture
def fake(running: FakeRunning) -> FakeSteward:
    return running.steward


@pytest.fixture
def made(running: FakeRunning) -> Testbed:
    return Testbed(running.steward, running.standing, seed=7)


def says(code: int, out: str = "", err: str = "") -> Completed:
    return Completed(("x",), code, out, err)


def between(testbed: Testbed) -> Traffic:
    return testbed.traffic(testbed.guest("g1"), testbed.guest("g2"))


def test_the_example_of_the_manual(made: Testbed) -> None:
    g1, g2 = made.guest("g1"), made.guest("g2")
    with made.traffic(g1, g2) as traffic, traffic.holds(intact, stall_below="2 s"):
        g1.migrate(to="h2")
        assert traffic.path == "tcp"
        g1.migrate(to="h1")
        assert traffic.path == "shm"
    assert [stream.clean for stream in traffic.streams] == [True]


def test_verbs_tell_success_from_failure(made: Testbed, fake: FakeSteward) -> None:
    g1 = made.guest("g1")
    fake.answer = lambda _where, _argv: says(0, "out")
    assert g1.succeed("true") == "out"
    assert fake.calls[-1] == ("run_in_guest", "g1", "sh", "-c", "true")
    with pytest.raises(ExpectationFailed, match="expected a failure"):
        g1.fail("true")
    fake.answer = lambda _where, _argv: says(3, err="no such thing")
    assert g1.exec(["x"]).returncode == 3
    assert made.host("h2").fail("false") == "no such thing"
    with pytest.raises(AssertionError, match=r"exit code 3, expected exit code 0 \(h2\): no such"):
        made.host("h2").succeed("false")


def test_waiting_ends_with_success_or_with_the_last_words(made: Testbed, fake: FakeSteward) -> None:
    answers = iter([says(1), says(1), says(0, "at last")])
    fake.answer = lambda _where, _argv: next(answers)
    assert made.guest("g1").wait_until_succeeds("test -e x", within=30) == "at last"
    fake.answer = lambda _where, _argv: says(1, err="still not")
    with pytest.raises(ExpectationFailed, match=r"success within 0 s.*still not"):
        made.guest("g1").wait_until_succeeds("test -e x", within=0)


def test_unknown_names_are_refused_with_the_valid_ones(made: Testbed, fake: FakeSteward) -> None:
    for act, said in (
        (lambda: made.guest("g9"), "choose one of g1, g2"),
        (lambda: made.host("h9"), "choose one of h1, h2"),
        (lambda: made.guest("g1").migrate(to="h9"), "there is no host 'h9'"),
    ):
        with pytest.raises(UsageError, match=said):
            act()
    assert not [call for call in fake.calls if call[0] == "migrate"]


def test_hosts_and_guests_know_each_other(made: Testbed) -> None:
    made.guest("g2").migrate(to="h2")
    assert made.guest("g2").host == "h2"
    assert [guest.name for guest in made.host("h1").guests] == ["g1"]
    assert [host.name for host in made.hosts] == ["h1", "h2"]


def test_a_guest_that_is_gone_is_nowhere(made: Testbed, fake: FakeSteward) -> None:
    del fake.at["g1"]
    with pytest.raises(TestbedError, match="g1 no longer runs"):
        _ = made.guest("g1").host


def test_seeds_follow_from_the_session_and_the_test(running: FakeRunning) -> None:
    def seeds(session: int, test: str) -> list[int]:
        made = Testbed(running.steward, running.standing, session)
        made.begin(test)
        return [between(made).seed for _ in range(2)]

    assert seeds(1, "a") == seeds(1, "a")
    assert len({*seeds(1, "a"), *seeds(1, "b"), *seeds(2, "a")}) == 6


def test_a_byte_that_is_lost_breaks_the_promise_when_the_traffic_ends(
    made: Testbed, fake: FakeSteward
) -> None:
    fake.lost = 4
    with (
        pytest.raises(PromiseBroken, match="6 of 10 bytes verified, 4 lost"),
        between(made) as traffic,
        traffic.holds(intact),
    ):
        pass
    with between(made):  # nothing was promised here
        pass


def test_a_stall_is_told_at_the_next_verb(made: Testbed, fake: FakeSteward) -> None:
    reached = []
    with (
        pytest.raises(PromiseBroken, match="stood still for 2500 ms in g1"),
        between(made) as traffic,
        traffic.holds(stall_below="2 s"),
    ):
        fake.stall_ms = 2500.0
        clock.wait_until(lambda: _broken(made), within=10, what="the watch to see it")
        reached.append("stalled")
        made.guest("g1").exec(["true"])
        reached.append("not reached")
    assert reached == ["stalled"]
    assert ("stop_traffic", "t1") in fake.calls


def _broken(made: Testbed) -> bool:
    try:
        made.check()
    except PromiseBroken:
        return True
    return False


def test_what_happens_just_before_the_end_is_seen(made: Testbed, fake: FakeSteward) -> None:
    with (
        pytest.raises(PromiseBroken, match="t1 ended in g1, t1 ended in g2"),
        between(made) as traffic,
        traffic.holds(intact),
    ):
        fake.over = True


def test_a_watch_that_sees_nothing_does_not_pass(
    made: Testbed, fake: FakeSteward, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(_gauge: int) -> list[object]:
        raise TestbedError("no answer")

    with (
        pytest.raises(TestbedError, match=r"cannot be looked at.*no answer"),
        between(made) as traffic,
        traffic.holds(intact),
    ):
        monkeypatch.setattr(fake, "felt", blind)


def test_the_tests_own_failure_is_the_one_that_is_told(made: Testbed, fake: FakeSteward) -> None:
    fake.lost, fake.stall_ms = 4, 9000.0
    with (
        pytest.raises(ZeroDivisionError) as caught,
        between(made) as traffic,
        traffic.holds(intact, stall_below=1.0),
    ):
        raise ZeroDivisionError
    notes = "\n".join(caught.value.__notes__)
    assert "4 lost" in notes and "stood still for 9000 ms" in notes


def test_nothing_watches_any_more_after_the_block(made: Testbed) -> None:
    with between(made) as traffic, traffic.holds(intact):
        assert "testbed-watch" in {thread.name for thread in threading.enumerate()}
    assert "testbed-watch" not in {thread.name for thread in threading.enumerate()}
    made.check()


@pytest.mark.parametrize(
    ("limit", "milliseconds"), [("2 s", 2000), ("300ms", 300), ("1 min", 60_000), (0.5, 500)]
)
def test_durations(limit: str | float, milliseconds: float) -> None:
    promise = stall_below(limit)
    assert isinstance(promise, invariants.StallBelow) and promise.limit_ms == milliseconds


@pytest.mark.parametrize("limit", ["2", "2 hours", "-1 s", "", 0, -3])
def test_what_is_no_duration_is_refused(limit: str | float) -> None:
    with pytest.raises(UsageError, match="is no duration"):
        stall_below(limit)
