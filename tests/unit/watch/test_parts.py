"""The controller's parts: lease, patience, news, and what it says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness import clock
from harness.cli import watch as words
from harness.events import Event, EventLog
from harness.watch.decide import Action
from harness.watch.lease import FILE, LEASE_SECONDS, Held, Lease
from harness.watch.news import News
from harness.watch.patience import LONGEST_SECONDS, Patience
from harness.watch.world import SeenLink, World
from tests.unit.watch.made_up import guest, linked

SHARE = Action("share", ("g1", "g2"), "both are on h1")


def test_one_has_the_lease_until_it_gives_it_back(tmp_path: Path) -> None:
    first, second = Lease(tmp_path, "first"), Lease(tmp_path, "second")
    assert first.take() is None and first.take() is None
    held = second.take()
    assert held is not None and held.holder == "first" and 0 < held.left <= LEASE_SECONDS
    second.give_back()
    assert second.take() is not None, "it gave back what was not its own"
    first.give_back()
    assert second.take() is None
    assert first.take() is not None


@pytest.mark.parametrize("seconds", [-0.1, 3600.0])
def test_a_lease_that_has_expired_or_cannot_be_is_taken(tmp_path: Path, seconds: float) -> None:
    """One whose end lies hours ahead was written before a clock was set back."""
    until = clock.utc() + timedelta(seconds=seconds)
    (tmp_path / FILE).write_text(Held(token="x", holder="x", until=until).model_dump_json())
    assert Lease(tmp_path, "me").take() is None


@pytest.mark.parametrize("text", ["", "{", '{"token": 1}', "[]"])
def test_a_lease_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert Lease(tmp_path, "me").take() is None


def test_a_step_that_does_not_help_waits_ever_longer() -> None:
    now = [0.0]
    patience, waits = Patience(lambda: now[0]), []
    for _ in range(8):
        began = now[0]
        while not patience.ready([SHARE]):
            now[0] += 0.5
        waits.append(now[0] - began)
        patience.tried(SHARE)
    assert waits == [0, 1, 2, 4, 8, 16, LONGEST_SECONDS, LONGEST_SECONDS]


def test_a_step_that_was_not_called_for_in_between_is_done_at_once() -> None:
    patience = Patience(lambda: 0.0)
    patience.tried(SHARE)
    assert patience.ready([SHARE]) == []
    assert patience.ready([]) == []
    assert patience.ready([SHARE]) == [SHARE]


def test_news_are_told_once() -> None:
    events = EventLog()
    news, world = News(events), World(linked({"g1": guest(), "g2": guest()}, [("g1", "g2")]))
    for decided in ([SHARE], [SHARE], [], []):
        news.tell(world, decided)
    told = [(event.name, *event.fields.values()) for event in events.events]
    assert told == [
        ("guest", "g1", "running", "h1"),
        ("guest", "g2", "running", "h1"),
        ("path", "g1-g2", "tcp"),
        ("watch.settled",),
    ]


def test_of_a_host_only_its_paths_are_news() -> None:
    events = EventLog()
    met = linked({"g1": guest(), "h1": guest("h1"), "h2": guest("h2")}, [("g1", "h1")])
    News(events).tell(World(met), [])
    told = [(event.name, *event.fields.values()) for event in events.events]
    assert told == [("guest", "g1", "running", "h1"), ("path", "g1-h1", "tcp"), ("watch.settled",)]


def test_the_path_of_a_link_is_told_as_far_as_it_is_known() -> None:
    events, pair = EventLog(), ("g1", "g2")
    news, strangers = News(events), {"g1": guest(), "g2": guest()}
    met = linked(strangers, [pair])
    asleep = {"g1": guest(state="paused"), "g2": met["g2"]}
    down = {**met, "g1": guest(links={"g2": SeenLink(up=False)})}
    for guests in (strangers, met, asleep, down, met, strangers):
        news.tell(World(guests), [SHARE])
    told = [event.fields["path"] for event in events.events if event.name == "path"]
    assert told == ["tcp", "none"]


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        (
            "libvirt",
            {"host": "h2", "guest": "g1", "what": "started", "why": "migrated"},
            "h2: g1 started, migrated",
        ),
        (
            "libvirt",
            {"host": "h2", "guest": "g1", "what": "shutdown", "why": ""},
            "h2: g1 shutdown",
        ),
        ("guest", {"guest": "g1", "state": "gone", "host": ""}, "g1 runs on no host"),
        ("path", {"grant": "g1-g2", "path": "shm"}, "g1-g2 is on shm"),
        ("path", {"grant": "g1-g2", "path": "none"}, "g1-g2 has no link any more"),
        (
            "act.begin",
            {"verb": "share", "guests": ["g1", "g2"], "why": "both are on h1"},
            "→ share memory: g1-g2: both are on h1",
        ),
        (
            "act.failed",
            {"verb": "tidy", "guests": ["a", "b"], "why": "", "seconds": 1.5, "error": "no"},
            "✗ remove files of a-b, 1.50 s: no",
        ),
        ("handover.begin", {"grant": "g1-g2"}, ""),
        ("host.lost", {"host": "h1"}, "h1: does not answer"),
    ],
)
def test_what_it_says(name: str, fields: dict[str, object], said: str) -> None:
    assert words.sentence_of(Event(name, 0.0, "", fields)) == said
