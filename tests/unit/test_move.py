"""The choreography of a move: the order of its steps, and every roll-back, with fakes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.grants import forsaken
from harness.grants.grant import Change
from harness.migration import move as module
from harness.migration.move import Move, together
from harness.model import naming
from harness.model.migration_mode import MODES
from harness.model.result import Handover
from harness.virt.job import JobResult
from harness.virt.xml import LiveDisk

HANDOVER = Handover(
    epoch=1, to="tcp", duration_ms=5.0, streams=4, bytes_in_ring_at_fence=7, bytes_resent=3
)


class Place:
    emulator = "/qemu"

    def __init__(self, name: str) -> None:
        self.name, self.connection, self.host = name, name, name


class FakeDomain:
    uuid = "of g1"

    def running(self) -> bool:
        return True

    def disks(self) -> list[LiveDisk]:
        return []


class FakeGuest:
    def __init__(self, steps: list[str]) -> None:
        self.name, self.place, self.domain, self.steps = "g1", Place("h1"), FakeDomain(), steps
        self.left: dict[str, str] = {}

    def drop_agent(self) -> None: ...

    def regions(self) -> dict[str, str]:
        return self.left

    def moved_to(self, place: Place, domain: Any) -> None:
        self.place = place
        self.steps.append(f"arrived {place.name}")


class FakeGrant:
    def __init__(self, guest: FakeGuest, peer_host: str, steps: list[str], name: str) -> None:
        self.low, self.high, self.name = guest, object(), name
        self.peer_host, self.steps = peer_host, steps
        self.on_shm = self.plugged = peer_host == "h1"
        self.shares = True
        self.part_fails = self.share_fails = self.prepare_fails = False
        self.files: list[str] = []
        self.prepared: str | None = None

    @property
    def together(self) -> bool:
        return bool(self.low.place.name == self.peer_host)

    @property
    def should_share(self) -> bool:
        return self.shares and self.together

    def has_member_on(self, host: str) -> bool:
        return host == self.peer_host

    def tidy(self) -> None:
        self.files.clear()

    def prepare(self, host: str) -> str:
        self.files.append(f"region on {host}")
        if self.prepare_fails:
            raise TestbedError("no room yet")
        return self.files[-1]

    def part(self) -> Change:
        if self.part_fails:
            raise TestbedError("handover rolled back")
        self.on_shm = self.plugged = False
        self.steps.append(f"part {self.name}")
        return Change(HANDOVER, 10.0)

    def share(self, prepared: str | None = None) -> Change:
        assert prepared is None or prepared == f"region on {self.low.place.name}"
        self.prepared = prepared
        if self.share_fails:
            raise TestbedError("no room")
        self.on_shm = self.plugged = True
        self.steps.append(f"share {self.name}")
        return Change(HANDOVER, 20.0)


class Stage:
    """A move of g1 from h1 to h2, with peers on given hosts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *peer_hosts: str) -> None:
        self.steps: list[str] = []
        self.fails = False
        self.guest = FakeGuest(self.steps)
        self.grants = [
            FakeGrant(self.guest, host, self.steps, f"to-{host}-{n}")
            for n, host in enumerate(peer_hosts)
        ]
        self.events = EventLog()
        monkeypatch.setattr(module.preflight, "check", lambda *_: None)
        monkeypatch.setattr(module, "MigrationJob", self._job)
        self.arrived = False
        monkeypatch.setattr(module.Domain, "find", self._find)

    def _find(self, host: str, _uuid: str) -> FakeDomain | None:
        return FakeDomain() if host == ("h2" if self.arrived else "h1") else None

    def _job(self, *_: object) -> Any:
        stage = self

        class Job:
            def start(self) -> Job:
                return self

            def cancel(self) -> None: ...

            def result(self) -> JobResult:
                if stage.fails:
                    raise TestbedError("operation aborted")
                stage.steps.append("migrate")
                stage.arrived = True
                return JobResult(100.0, 90.0, 30.0)

        return Job()

    def move(self) -> Any:
        return Move(self.guest, Place("h2"), self.grants, self.events).run()  # type: ignore[arg-type]


def test_the_order_of_a_move(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1", "h2")
    moved = stage.move()
    assert stage.steps == ["part to-h1-0", "migrate", "arrived h2", "share to-h2-1"]
    assert (moved.detach_ms, moved.attach_ms, moved.bytes_resent) == (10.0, 20.0, 6)


def test_the_region_of_a_peer_that_is_gone_does_not_keep_the_guest_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch)
    stage.guest.left = {
        naming.region_alias("g7"): naming.region_name("t-1", ("g1", "g7"), 3),
        "of-somebody-else": "any",
    }
    monkeypatch.setattr(forsaken, "forsake", lambda _, *whom: stage.steps.append(f"forsake {whom}"))
    stage.move()
    assert stage.steps == ["forsake ('g7', 't-1', ['h1'])", "migrate", "arrived h2"]


def test_a_failed_migration_shares_again_on_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1")
    stage.fails = True
    with pytest.raises(TestbedError, match="aborted"):
        stage.move()
    assert stage.steps == ["part to-h1-0", "arrived h1", "share to-h1-0"]
    assert stage.guest.place.name == "h1"


def test_when_one_link_refuses_to_part_the_others_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1", "h1")
    stage.grants[1].part_fails = True
    with pytest.raises(TestbedError, match="rolled back"):
        stage.move()
    assert stage.steps == ["part to-h1-0", "arrived h1", "share to-h1-0"]


def test_a_failed_share_after_a_failed_migration_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1")
    stage.fails = stage.grants[0].share_fails = True
    with pytest.raises(TestbedError, match="aborted"):
        stage.move()
    assert "degraded" in [event.name for event in stage.events.events]


def test_the_region_over_there_is_made_while_libvirt_is_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, "h2")
    stage.move()
    assert stage.grants[0].prepared == "region on h2"


def test_a_region_that_could_not_be_prepared_is_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h2")
    stage.grants[0].prepare_fails = True
    stage.move()
    assert stage.grants[0].prepared is None and stage.steps[-1] == "share to-h2-0"


class FakeLuggage:
    """Disks that note where they are made and removed."""

    targets, shared = ("vda",), False

    def __init__(self, steps: list[str]) -> None:
        self.steps = steps

    def prepare(self, _domain: Any, place: Place) -> None:
        self.steps.append(f"disks to {place.name}")

    def discard(self, place: Place) -> None:
        self.steps.append(f"disks off {place.name}")


@pytest.mark.parametrize(("fails", "left"), [(False, "h1"), (True, "h2")])
def test_disks_stay_only_where_the_guest_is(
    monkeypatch: pytest.MonkeyPatch, fails: bool, left: str
) -> None:
    stage = Stage(monkeypatch)
    stage.fails = fails
    monkeypatch.setattr(module.Luggage, "of", lambda _domain: FakeLuggage(stage.steps))
    with pytest.raises(TestbedError) if fails else nullcontext():
        stage.move()
    assert [step for step in stage.steps if "disks" in step] == ["disks to h2", f"disks off {left}"]


def test_a_failed_migration_leaves_no_prepared_region(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1", "h2")
    stage.fails = True
    with pytest.raises(TestbedError, match="aborted"):
        stage.move()
    assert stage.grants[1].files == [] and stage.grants[0].prepared is None


def test_trouble_in_the_roll_back_does_not_hide_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1")
    stage.fails = True
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(module.Domain, "find", lambda *_: None)
    with pytest.raises(TestbedError, match="aborted"):
        stage.move()
    assert "rollback.failed" in [event.name for event in stage.events.events]


def test_a_host_that_does_not_answer_does_not_hide_the_guest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, "h1")
    stage.fails = True

    def find(host: str, _uuid: str) -> FakeDomain:
        if host == "h2":
            raise TestbedError("libvirtd does not answer")
        return FakeDomain()

    monkeypatch.setattr(module.Domain, "find", find)
    with pytest.raises(TestbedError, match="aborted"):
        stage.move()
    assert stage.steps[-1] == "share to-h1-0"


def test_an_interrupt_while_meeting_shares_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h2", "h2")

    def interrupt(_prepared: object) -> Change:
        del stage.grants[0].share
        raise KeyboardInterrupt

    stage.grants[0].share = interrupt  # type: ignore[assignment, method-assign]
    with pytest.raises(KeyboardInterrupt):
        stage.move()
    assert stage.steps[-2:] == ["share to-h2-0", "share to-h2-1"]


def test_a_bad_request_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1")

    def refuse(*_: object) -> None:
        raise UsageError("g1 is on h2 already")

    monkeypatch.setattr(module.preflight, "check", refuse)
    with pytest.raises(UsageError):
        stage.move()
    assert stage.steps == [] and stage.events.events == []


def test_a_guest_that_arrived_although_the_call_failed_is_adopted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, "h1", "h2")
    stage.fails = stage.arrived = True
    with pytest.raises(TestbedError, match="aborted"):
        stage.move()
    assert stage.guest.place.name == "h2"
    assert stage.steps[-1] == "share to-h2-1"


def test_one_grant_that_cannot_share_does_not_keep_the_others_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, "h2", "h2")
    stage.grants[0].share_fails = True
    assert stage.move().destination == "h2"
    assert stage.steps[-1] == "share to-h2-1"
    assert "degraded" in [event.name for event in stage.events.events]


def test_an_interrupt_while_parting_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1", "h1")

    def interrupt() -> Change:
        raise KeyboardInterrupt

    stage.grants[1].part = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        stage.move()
    assert stage.steps[-1] == "share to-h1-0"


def test_two_at_once_leave_before_one_migrates_and_arrive_before_one_meets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch, "h1")
    other, grant = FakeGuest(stage.steps), stage.grants[0]
    other.name, grant.high = "g2", other
    grant.peer_host = "h2"  # where the other one will be
    moves = [
        Move(guest, Place("h2"), [grant], stage.events)  # type: ignore[arg-type, list-item]
        for guest in (stage.guest, other)
    ]
    grant.on_shm = grant.plugged = True
    assert len(together(moves)) == 2
    order = ["part to-h1-0", "migrate", "arrived h2", "migrate", "arrived h2", "share to-h1-0"]
    assert stage.steps == order
    assert grant.prepared is None


def test_when_one_of_two_fails_both_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1")
    other, grant = FakeGuest(stage.steps), stage.grants[0]
    other.name, grant.high, stage.fails = "g2", other, True
    moves = [
        Move(guest, Place("h2"), [grant], stage.events)  # type: ignore[arg-type, list-item]
        for guest in (stage.guest, other)
    ]
    with pytest.raises(TestbedError, match="aborted"):
        together(moves)
    assert stage.steps == ["part to-h1-0", "arrived h1", "arrived h1", "share to-h1-0"]


def test_a_mode_that_knows_no_regions_leaves_them_plugged(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, "h1")
    stage.fails, mode = True, MODES["with-region"]
    move = Move(stage.guest, Place("h2"), stage.grants, stage.events, mode=mode)  # type: ignore[arg-type]
    with pytest.raises(TestbedError, match="aborted"):
        move.run()
    assert stage.steps == ["arrived h1"] and stage.grants[0].on_shm
