"""Grants: what is done to hosts, guests and agents, and what is undone after a failure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.agent.client import AgentClient
from harness.agent.fake import FakeTransport, Handler
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants import grant as module
from harness.grants import region as region_module
from harness.grants.grant import Grant
from harness.grants.region import Region
from harness.hosts.fake import FakeHost
from harness.model.topology import GrantSpec
from harness.run import Completed


def willing_host() -> FakeHost:
    return FakeHost("h1", lambda argv, _input: Completed(tuple(argv), 0, "", ""))


class Place:
    def __init__(self, host: FakeHost) -> None:
        self.host = host


class Member:
    """A guest as a grant knows it, with an agent that says yes unless told otherwise."""

    def __init__(
        self, name: str, domain_id: int, host: FakeHost, log: list[str], shared: dict[str, str]
    ) -> None:
        self.shared, self.stuck = shared, False
        self.name, self.domain_id, self.place, self.log = name, domain_id, Place(host), log
        self.devices: dict[str, str] = {}
        self.handlers: dict[str, Handler] = {
            "link.add": lambda _: {},
            "links": lambda _: self._links(),
            "region.attach": lambda _: {},
            "region.detach": lambda _: {},
            "handover": lambda r: (
                self._hand_over(r["to"])
                or self._note(f"handover {r['to']}", {"epoch": 1, "duration_us": 1500})
            ),
        }
        self.transport = FakeTransport(self.handlers)
        self.agent = AgentClient(lambda: self.transport, name)

    def _links(self) -> dict[str, Any]:
        link = {"state": "up", "path": self.shared["path"], "phase": "idle", "epoch": 0}
        return {"links": [{"peer": "g1", **link}, {"peer": "g2", **link}]}

    def _hand_over(self, to: str) -> None:
        self.shared["path"] = to

    def _note(self, what: str, answer: dict[str, Any]) -> dict[str, Any]:
        self.log.append(what)
        return answer

    def attach_region(self, region: str, size: int, alias: str) -> None:
        self.log.append(f"plug {self.name}")
        self.devices[alias] = region

    def detach_region(self, alias: str, *, within: float) -> None:
        if self.stuck:
            raise TestbedError(f"{alias} is not unplugged")
        self.log.append(f"unplug {self.name}")
        self.devices.pop(alias, None)

    def regions(self) -> dict[str, str]:
        return self.devices


class Stage:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.host, path = willing_host(), {"path": "tcp"}
        self.low = Member("g1", 3, self.host, self.log, path)
        self.high = Member("g2", 4, self.host, self.log, path)
        self.grant = Grant(
            GrantSpec(between=("g2", "g1")), (self.high, self.low), "t-1", EventLog()
        )


def refuse(_: dict[str, Any]) -> dict[str, Any]:
    return {"ok": False, "error": {"code": "aborted", "message": "deadline"}}


def test_both_agents_learn_of_each_other_with_one_key() -> None:
    stage = Stage()
    stage.grant.introduce()
    low, high = (
        next(r for r in member.transport.requests if r["op"] == "link.add")
        for member in (stage.low, stage.high)
    )
    assert (low["peer"], low["peer_id"], low["address"]) == ("g2", 4, "10.99.0.4")
    assert low["key"] == high["key"] and len(bytes.fromhex(low["key"])) == 32


def test_sharing_plugs_both_and_then_hands_over() -> None:
    stage = Stage()
    change = stage.grant.share()
    assert sorted(stage.log[:2]) == ["plug g1", "plug g2"]
    assert stage.log[2:] == ["handover shm"]
    assert change.handover.duration_ms == 1.5
    assert stage.low.devices["ua-domsock-g2"] == stage.high.devices["ua-domsock-g1"]


def test_parting_hands_over_before_anything_is_unplugged() -> None:
    stage = Stage()
    stage.grant.share()
    stage.log.clear()
    stage.grant.part()
    assert stage.log[0] == "handover tcp"
    assert sorted(stage.log[1:]) == ["unplug g1", "unplug g2"]
    assert stage.grant.region is None


def test_a_refused_handover_leaves_the_devices_where_they_are() -> None:
    stage = Stage()
    stage.grant.share()
    stage.low.handlers["handover"] = refuse
    with pytest.raises(TestbedError, match="deadline"):
        stage.grant.part()
    assert stage.low.devices and stage.high.devices and stage.grant.region


def test_a_share_that_fails_takes_its_region_away_again() -> None:
    stage = Stage()
    stage.low.handlers["handover"] = refuse
    with pytest.raises(TestbedError):
        stage.grant.share()
    assert not stage.low.devices and not stage.high.devices and stage.grant.region is None


def test_each_generation_has_its_own_name_and_nonce() -> None:
    stage = Stage()
    regions = []
    for _ in range(2):
        stage.grant.share()
        assert stage.grant.region is not None
        regions.append(stage.grant.region)
        stage.grant.part()
    assert len({region.name for region in regions}) == len({r.nonce for r in regions}) == 2


class LocalHost(FakeHost):
    """Runs commands here, with a `domsock` and a folder of records of the test's."""

    def run(
        self,
        argv: Sequence[str],
        *,
        within: float = 30.0,
        input: str | None = None,  # noqa: A002 - subprocess's own word
        check: bool = True,
    ) -> Completed:
        return run.run(argv, within=within, input=input, check=check)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    tool = tmp_path / "domsock"
    tool.write_text(
        "#!/bin/sh\ncase $2 in\n"
        f"create) ls {tmp_path}/records >{tmp_path}/seen; [ ! -e {tmp_path}/full ] || exit 1;"
        ' echo header $7 >"$3";;\n'
        'show) grep -q header "$3";;\n'
        'rm) grep -q "$5" "$3" && rm "$3";;\nesac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setattr(region_module, "TOOL", str(tool))
    monkeypatch.setattr(region_module, "RECORDS", str(tmp_path / "records"))
    monkeypatch.setattr(region_module, "SHM", str(tmp_path))
    return LocalHost("h1")


def fresh(generation: int = 1, testbed: str = "t-1") -> Region:
    return Region.fresh(testbed, ("g1", "g2"), (3, 4), 1 << 20, generation)


def test_the_owner_is_recorded_before_the_file_is_made(local: LocalHost, tmp_path: Path) -> None:
    region = fresh()
    region.create(local)
    assert (tmp_path / "seen").read_text() == "domsock.t-1.g1.g2.1.json\n"
    assert (tmp_path / region.name).exists()
    region.destroy(local)
    assert not (tmp_path / region.name).exists() and not list((tmp_path / "records").iterdir())


def test_a_region_is_found_by_its_record(local: LocalHost, tmp_path: Path) -> None:
    assert Region.recorded(local, "t-1", ("g1", "g2")) == []
    mine, others = fresh(), fresh(testbed="t-2")
    mine.create(local)
    others.create(local)
    (tmp_path / "records" / "domsock.t-1.g1.g2.9.json").write_text("{half")
    assert Region.recorded(local, "t-1", ("g1", "g2")) == [mine]


def test_what_was_never_made_or_only_begun_can_be_destroyed(
    local: LocalHost, tmp_path: Path
) -> None:
    (tmp_path / "full").touch()
    region = fresh()
    with pytest.raises(TestbedError, match="cannot be made"):
        region.create(local)
    region.destroy(local)
    (tmp_path / region.name).write_text("begun")
    region.destroy(local)
    assert not (tmp_path / region.name).exists()


def test_a_region_with_another_nonce_stays(local: LocalHost, tmp_path: Path) -> None:
    region = fresh()
    (tmp_path / region.name).write_text("header of another")
    with pytest.raises(TestbedError):
        region.destroy(local)
    assert (tmp_path / region.name).exists()


def test_a_killed_command_leaves_nothing_for_long(local: LocalHost, tmp_path: Path) -> None:
    stage = Stage()
    left = fresh(generation=7)
    left.create(local)
    for member in (stage.low, stage.high):
        member.place.host = local
    stage.grant.recover()
    assert stage.grant.region is None and stage.low.transport.requests == []
    stage.grant.share()
    assert stage.grant.generation == 8 and not (tmp_path / left.name).exists()


def test_a_region_that_one_member_still_has_is_recovered(local: LocalHost, tmp_path: Path) -> None:
    stage = Stage()
    left = fresh()
    left.create(local)
    stage.high.devices["ua-domsock-g1"] = left.name
    for member in (stage.low, stage.high):
        member.place.host = local
    stage.grant.recover()
    assert stage.grant.region == left
    stage.grant.tidy()
    assert (tmp_path / left.name).exists()
    stage.grant.part()
    stage.grant.tidy()
    assert not stage.high.devices and not (tmp_path / left.name).exists()


def hang(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The high member's agent answers nothing any more."""
    monkeypatch.setattr(module, "LET_GO_SECONDS", 0.05)
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.05)
    stage.high.handlers.clear()


def test_a_hanging_agent_does_not_keep_its_device_when_the_link_is_on_tcp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.grant.share()
    hang(stage, monkeypatch)
    stage.grant.part()
    assert not stage.high.devices and stage.grant.region is None


def test_devices_stay_when_nobody_says_where_the_link_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    hang(stage, monkeypatch)
    monkeypatch.setattr(module, "PLUG_SECONDS", -4.95)
    del stage.low.handlers["links"]
    stage.grant.generation = 1
    monkeypatch.setattr(Grant, "_next_generation", lambda *_: 2)
    with pytest.raises(TestbedError):
        stage.grant.share()
    assert stage.high.devices and stage.grant.region is not None
    assert not any("region rm" in " ".join(call) for call in stage.host.calls)


def test_a_prepared_region_is_plugged_as_it_is() -> None:
    stage = Stage()
    prepared = stage.grant.prepare(stage.host)
    calls = len(stage.host.calls)
    stage.grant.share(prepared)
    assert stage.grant.region == prepared and len(stage.host.calls) == calls


def test_a_parting_that_is_only_half_done_is_said() -> None:
    stage = Stage()
    stage.grant.share()
    stage.low.stuck = True
    with pytest.raises(TestbedError, match="not unplugged"):
        stage.grant.part()
    assert "degraded" in [event.name for event in stage.grant.events.events]
    stage.low.stuck = False
    stage.grant.part()
    assert stage.grant.region is None


def test_a_handover_whose_answer_was_lost_still_happened() -> None:
    stage = Stage()
    stage.grant.share()

    def unconfirmed(_: dict[str, Any]) -> dict[str, Any]:
        stage.low.shared["path"] = "tcp"
        return {"ok": False, "error": {"code": "unconfirmed", "message": "no RELEASE in time"}}

    stage.low.handlers["handover"] = unconfirmed
    stage.grant.part()
    assert not stage.low.devices and stage.grant.region is None


def test_a_device_that_stays_plugged_keeps_its_region_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.grant.share()
    stage.high.stuck = True
    with pytest.raises(TestbedError, match="not unplugged"):
        stage.grant.part()
    assert stage.grant.region is not None and not stage.grant.on_shm
    assert not any("region rm" in " ".join(call) for call in stage.host.calls)
    stage.high.stuck = False
    stage.grant.share()
    assert stage.grant.on_shm and len(stage.low.devices) == len(stage.high.devices) == 1
    assert any("region rm" in " ".join(call) for call in stage.host.calls)


def test_an_interrupt_while_sharing_leaves_nothing_plugged() -> None:
    stage = Stage()

    def interrupt(_: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt

    stage.low.handlers["handover"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        stage.grant.share()
    assert not stage.low.devices and not stage.high.devices and stage.grant.region is None


def test_a_region_file_that_cannot_be_made_is_taken_away() -> None:
    stage = Stage()

    def answer(argv: Sequence[str], _input: str | None) -> Completed:
        refused = "create" in argv
        return Completed(tuple(argv), int(refused), "", "no room" if refused else "")

    stage.host._answer = answer
    with pytest.raises(TestbedError, match="no room"):
        stage.grant.share()
    assert stage.grant.region is None and not stage.low.devices
    assert any("region rm" in " ".join(call) for call in stage.host.calls)


def test_another_process_finds_what_is_shared() -> None:
    stage = Stage()
    stage.grant.share()
    region = stage.grant.region
    assert region is not None

    def answer(argv: Sequence[str], _input: str | None) -> Completed:
        record = json.dumps(asdict(region)) if "*.json" in " ".join(argv) else ""
        return Completed(tuple(argv), 0, record, "")

    stage.host._answer = answer
    other = Grant(GrantSpec(between=("g1", "g2")), (stage.low, stage.high), "t-1", EventLog())
    other.recover()
    assert (other.region, other.generation, other.on_shm) == (region, region.generation, True)
