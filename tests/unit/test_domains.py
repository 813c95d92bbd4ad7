"""Who there is, told to the agents."""

from __future__ import annotations

from harness.events import EventLog
from harness.grants.domains import Domains
from tests.unit.grant_fakes import Stage


def test_everybody_is_named_and_numbered() -> None:
    stage, hosts = Stage(), dict[str, int]()
    domains = Domains("t-1", {"g1": 3, "g2": 4, "g3": 5}, lambda: hosts, EventLog())
    domains.tell((stage.low,))
    hosts["h1"] = 1000
    domains.tell((stage.low,))
    first, again = (r for r in stage.low.transport.requests if r["op"] == "domains.set")
    assert first["owner"] == again["owner"] == "t-1"
    assert [each["name"] for each in first["domains"]] == ["g1", "g2", "g3"]
    assert again["domains"] == [*first["domains"], {"name": "h1", "id": 1000}]


def test_one_that_cannot_be_told_is_an_event() -> None:
    stage, events = Stage(), EventLog()
    stage.low.handlers["domains.set"] = lambda _: {
        "ok": False,
        "error": {"code": "unknown-op", "message": "an agent of before"},
    }
    Domains("t-1", {"g1": 3}, dict, events).tell((stage.low, stage.high))
    [failed] = [event for event in events.events if event.name == "domains.failed"]
    assert failed.fields["domain"] == "g1"
    assert any(r["op"] == "domains.set" for r in stage.high.transport.requests)
