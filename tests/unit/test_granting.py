"""Grants made and taken back while a testbed runs: refusals, and what a cut leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.grants.grant import Grant
from harness.model.grant_table import row_of
from harness.model.topology import GrantSpec, GuestSpec, HostSpec, Topology
from harness.run import Completed
from harness.testbed import granting, record
from harness.testbed.record import TestbedRecord
from harness.testbed.testbed import Testbed
from tests.unit.grant_fakes import Member, Stage

MIB = 1 << 20
PAIR = ("g1", "g2")
SPEC = GrantSpec(between=PAIR, size=2 * MIB)


def room(shm_mib: int = 64, memory_kib: int = 1 << 20) -> str:
    """What a host says of its /dev/shm and its memory."""
    return f"Avail\n{shm_mib * MIB}\nMemAvailable: {memory_kib} kB\n"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))


class Domain:
    def __init__(self) -> None:
        self.runs, self.xml = True, "<domain/>"

    def running(self) -> bool:
        return self.runs

    def describe(self) -> str:
        return self.xml


class Running:
    """A testbed of two willing guests, g1 and g2 on h1; g3 of its topology runs nowhere."""

    def __init__(self, *grants: GrantSpec) -> None:
        self.stage = Stage()
        self.stage.host._answer = self._answer
        self.room = room()
        members = {"g1": self.stage.low, "g2": self.stage.high}
        for member in members.values():
            self._complete(member)
        guests = {name: GuestSpec(host="h1") for name in (*members, "g3")}
        topology = Topology(
            name="t", hosts={"h1": HostSpec(), "h2": HostSpec()}, guests=guests, grants=grants
        )
        made = TestbedRecord.new(topology, "digest")
        made.write()
        places: Any = {"h1": SimpleNamespace(name="h1", host=self.stage.host)}
        self.testbed = Testbed(made, places, members, EventLog())  # type: ignore[arg-type]

    @staticmethod
    def _complete(member: Any) -> None:
        member.domain, member.stay = Domain(), "h1/1"
        member.place.name = "h1"

    def _answer(self, argv: Sequence[str], _input: str | None) -> Completed:
        return Completed(tuple(argv), 0, self.room if "df" in " ".join(argv) else "", "")

    def member(self, name: str) -> Member:
        found: Any = self.testbed.guests[name]
        assert isinstance(found, Member)
        return found

    def at_work(self) -> Grant:
        found = self.testbed.grant_between(PAIR)
        assert found is not None
        return found


def reread() -> TestbedRecord:
    found = record.read("t")
    assert found is not None
    return found


def refuse(_: dict[str, Any]) -> dict[str, Any]:
    return {"ok": False, "error": {"code": "aborted", "message": "deadline"}}


def test_a_grant_shares_at_once_and_is_written_down() -> None:
    running = Running()
    made = granting.grant(running.testbed, SPEC)
    assert made.region is not None and made.region.size == 2 * MIB
    row = row_of(reread().grants, PAIR)
    assert row is not None and row.spec == SPEC


def test_a_grant_that_cannot_share_is_none() -> None:
    running = Running()
    running.member("g1").handlers["handover"] = refuse
    with pytest.raises(TestbedError, match="deadline"):
        granting.grant(running.testbed, SPEC)
    assert reread().grants == ()
    assert {"forget g1", "forget g2"} <= set(running.stage.log)


def test_a_grant_that_is_interrupted_when_it_shares_already_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share = Grant.share

    def interrupted(made: Grant) -> None:
        share(made)
        raise KeyboardInterrupt

    monkeypatch.setattr(Grant, "share", interrupted)
    running = Running()
    with pytest.raises(KeyboardInterrupt):
        granting.grant(running.testbed, SPEC)
    assert reread().grants == ()
    assert not running.stage.low.devices and not running.stage.high.devices


def test_what_is_left_of_a_failed_grant_can_be_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    share = Grant.share

    def interrupted(made: Grant) -> None:
        share(made)
        running.member("g1").handlers["handover"] = refuse
        raise KeyboardInterrupt

    monkeypatch.setattr(Grant, "share", interrupted)
    running = Running()
    with pytest.raises(KeyboardInterrupt):
        granting.grant(running.testbed, SPEC)
    row = row_of(reread().grants, PAIR)
    assert row is not None and not row.shares


def test_a_release_takes_out_the_region_of_a_peer_that_has_gone() -> None:
    running = Running(SPEC)
    running.at_work().share()
    del running.testbed.guests["g2"]
    running.testbed.grants = []
    granting.release(running.testbed, "g1")
    assert not running.stage.low.devices


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (GrantSpec(between=("g1", "g9")), "no domain 'g9'"),
        (GrantSpec(between=("g1", "g3")), "g3 runs on no host"),
        (SPEC, "granted already, 32 MiB"),
        (GrantSpec(between=("h1", "h2")), "h1 and h2 are hosts, which share no memory"),
    ],
)
def test_a_grant_is_refused_with_nothing_touched(spec: GrantSpec, said: str) -> None:
    running = Running(GrantSpec(between=PAIR))
    with pytest.raises(UsageError, match=said):
        granting.grant(running.testbed, spec)
    assert running.stage.log == [] and len(reread().grants) == 1


@pytest.mark.parametrize("free", [(1, 1 << 20), (64, 9)])
def test_a_region_that_has_no_room_hurts_nobody(free: tuple[int, int]) -> None:
    running = Running()
    running.room = room(*free)
    with pytest.raises(UsageError, match="the region needs 2 MiB"):
        granting.grant(running.testbed, SPEC)
    assert running.stage.log == []


def test_a_host_needs_room_on_itself_only() -> None:
    running = Running()
    running.room = room(1)
    with pytest.raises(UsageError, match="h1 has 1 MiB"):
        granting.grant(running.testbed, GrantSpec(between=("g1", "h1"), size=2 * MIB))
    with pytest.raises(TestbedError, match="h2 does not answer now"):
        granting.grant(running.testbed, GrantSpec(between=("g1", "h2"), size=2 * MIB))
    assert reread().grants == ()


def test_a_q35_with_no_port_left_is_told_before() -> None:
    running = Running()
    domain: Any = running.testbed.guests["g2"].domain
    domain.xml = (
        "<domain><devices><controller type='pci' index='1' model='pcie-root-port'/>"
        "<disk><address type='pci' bus='0x01'/></disk></devices></domain>"
    )
    with pytest.raises(UsageError, match="g2 has no place for another region"):
        granting.grant(running.testbed, SPEC)


def test_a_suspended_guest_is_refused() -> None:
    running = Running(SPEC)
    domain: Any = running.testbed.guests["g1"].domain
    domain.runs = False
    for command in (
        lambda: granting.revoke(running.testbed, PAIR),
        lambda: granting.release(running.testbed, "g1"),
    ):
        with pytest.raises(UsageError, match="g1 does not run now"):
            command()


def test_revoked_with_fallback_they_keep_their_link() -> None:
    running = Running(SPEC)
    running.at_work().share()
    running.stage.log.clear()
    assert granting.revoke(running.testbed, PAIR) == "fallback"
    assert running.stage.log[0] == "handover tcp" and "forget g1" not in running.stage.log
    assert reread().grants[0].shares is False
    with pytest.raises(UsageError, match="revoked already"):
        granting.revoke(running.testbed, PAIR)


def test_revoked_with_reset_they_forget_each_other() -> None:
    running = Running(SPEC.model_copy(update={"policy": "reset"}))
    running.at_work().share()
    assert granting.revoke(running.testbed, PAIR) == "reset"
    assert {"forget g1", "forget g2"} <= set(running.stage.log)
    assert reread().grants == () and not running.member("g1").devices
    with pytest.raises(UsageError, match="not granted"):
        granting.revoke(running.testbed, PAIR)


def test_what_a_fallback_left_can_be_reset() -> None:
    running = Running(SPEC)
    granting.revoke(running.testbed, PAIR, "reset")
    assert reread().grants == ()


def test_a_revocation_that_fails_stands_and_can_be_repeated() -> None:
    running = Running(SPEC)
    running.at_work().share()
    willing = running.member("g1").handlers["handover"]
    running.member("g1").handlers["handover"] = refuse
    with pytest.raises(TestbedError, match="deadline"):
        granting.revoke(running.testbed, PAIR, "reset")
    assert reread().grants[0].shares is False, "nobody shares again meanwhile"
    running.member("g1").handlers["handover"] = willing
    granting.revoke(running.testbed, PAIR, "reset")
    assert reread().grants == ()


def test_released_it_shares_nothing_until_it_is_managed() -> None:
    running = Running(SPEC)
    running.at_work().share()
    granting.release(running.testbed, "g1")
    assert reread().released == {"g1": "h1/1"} and not running.member("g2").devices
    assert running.testbed.released("g1") and not running.testbed.released("g2")
    with pytest.raises(UsageError, match="released: somebody moves it by hand"):
        running.testbed.migrate("g1", "h2")
    granting.manage(running.testbed, "g1")
    assert reread().released == {} and running.member("g2").devices
    with pytest.raises(UsageError, match="not released"):
        granting.manage(running.testbed, "g1")


def test_a_release_is_over_when_the_guest_has_moved() -> None:
    running = Running(SPEC)
    granting.release(running.testbed, "g1")
    moved: Any = running.testbed.guests["g1"]
    moved.stay = "h2/1"
    assert not running.testbed.released("g1")
