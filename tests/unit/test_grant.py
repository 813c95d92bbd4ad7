"""Grants: what is done to hosts, guests and agents, and what is undone after a failure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants import grant as module
from harness.grants.grant import Grant
from harness.run import Completed
from tests.unit.grant_fakes import ROW, Stage, removes_a_region


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


def test_who_was_found_elsewhere_is_looked_for_there_from_then_on() -> None:
    stage = Stage()
    links: dict[str, Any] = {"links": [{"peer": "g2", "state": "up", "path": "tcp"}]}
    stage.low.handlers["links"] = lambda _: links
    stage.grant.tell({"g2": "10.201.0.4"})
    links["links"][0]["address"] = "10.201.0.4"
    stage.grant.share()
    low, high = (
        [r["address"] for r in member.transport.requests if r["op"] == "link.add"]
        for member in (stage.low, stage.high)
    )
    assert low == ["10.201.0.4"] * 2 and high == ["10.99.0.3"] * 2


def test_each_region_comes_with_a_key_that_nobody_had_before() -> None:
    stage = Stage()
    stage.grant.introduce()
    stage.grant.share()
    stage.grant.part()
    stage.grant.share()
    low, high = (
        [r["key"] for r in member.transport.requests if r["op"] == "link.add"]
        for member in (stage.low, stage.high)
    )
    assert low == high and len(set(low)) == 3


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


@pytest.mark.parametrize("anew", ["low", "high"])
def test_agents_that_were_started_anew_are_told_of_each_other_before_a_handover(anew: str) -> None:
    stage = Stage()
    stage.grant.share()
    stage.log.clear()
    agent = getattr(stage, anew).handlers
    knows = agent["links"]

    def told(_: Any) -> dict[str, Any]:
        agent["links"] = knows
        stage.log.append("told")
        return {}

    agent.update({"links": lambda _: {"links": []}, "link.add": told})
    stage.grant.part()
    assert stage.log[:2] == ["told", "handover tcp"]


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
    monkeypatch.setattr(Grant, "tell", lambda _: None)  # it was told in time
    with pytest.raises(TestbedError):
        stage.grant.share()
    assert stage.high.devices and stage.grant.region is not None
    assert not any(map(removes_a_region, stage.host.calls))


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


def test_the_other_end_is_given_time_to_hear_of_a_handover() -> None:
    stage = Stage()
    stage.grant.share()
    phases = ["idle", "voted", "voted", "idle"]

    def links(_: dict[str, Any]) -> dict[str, Any]:
        link = {"peer": "g1", "path": "shm", "phase": phases.pop(0), "epoch": 1}
        return {"links": [{"state": "up", **link}]}

    def detach(_: dict[str, Any]) -> dict[str, Any]:
        return refuse(_) if phases else {}

    def unconfirmed(_: dict[str, Any]) -> dict[str, Any]:
        stage.low.shared["path"] = "tcp"
        return {"ok": False, "error": {"code": "unconfirmed", "message": "no RELEASE in time"}}

    stage.high.handlers.update({"links": links, "region.detach": detach})
    stage.low.handlers["handover"] = unconfirmed
    stage.grant.part()
    assert phases == [] and not stage.high.devices


def test_an_agent_that_knows_no_link_holds_no_region() -> None:
    stage = Stage()
    stage.grant.share()
    gone = {"ok": False, "error": {"code": "no-link", "message": "use link.add first"}}
    stage.high.handlers["region.detach"] = lambda _: dict(gone)
    stage.grant.part()
    assert not stage.high.devices


def test_a_device_that_stays_plugged_keeps_its_region_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    stage.grant.share()
    stage.high.stuck = True
    with pytest.raises(TestbedError, match="not unplugged"):
        stage.grant.part()
    assert stage.grant.region is not None and not stage.grant.on_shm
    assert not any(map(removes_a_region, stage.host.calls))
    stage.high.stuck = False
    stage.grant.share()
    assert stage.grant.on_shm and len(stage.low.devices) == len(stage.high.devices) == 1
    assert any(map(removes_a_region, stage.host.calls))


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
    assert any(map(removes_a_region, stage.host.calls))


def test_another_process_finds_what_is_shared() -> None:
    stage = Stage()
    stage.grant.share()
    region = stage.grant.region
    assert region is not None

    def answer(argv: Sequence[str], _input: str | None) -> Completed:
        record = json.dumps(asdict(region)) if "*.json" in " ".join(argv) else ""
        return Completed(tuple(argv), 0, record, "")

    stage.host._answer = answer
    other = Grant(ROW, (stage.low, stage.high), "t-1", EventLog())
    other.recover()
    assert (other.region, other.generation, other.on_shm) == (region, region.generation, True)
