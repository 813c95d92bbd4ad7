"""The main job, as a user runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.support import User, nothing_left
from tests.lab.test_signals import EVENTS, RARE


def check(user: User, summary: dict[str, Any]) -> None:
    assert summary["verdict"] == "pass", summary["findings"]
    assert summary["paths"] == ["shm", "tcp", "shm"]
    assert summary["left_behind"] == []
    assert len(summary["streams"]) == 8
    for stream in summary["streams"]:
        assert stream["bytes_sent"] == stream["bytes_verified"] > 1 << 20
        wrong = [stream[key] for key in ("lost", "duplicated", "reordered", "corrupted")]
        assert wrong == [0, 0, 0, 0]
    shared = sum(phase["bytes"] for phase in summary["phases"] if phase["path"] == "shm")
    assert summary["network_bytes_in_shm_phases"] < shared / 100
    routes = [(m["guest"], m["source"], m["destination"]) for m in summary["migrations"]]
    assert routes == [("g1", "h1", "h2"), ("g1", "h2", "h1")]
    evidence = {str(p.relative_to(user.latest.resolve())) for p in user.latest.resolve().rglob("*")}
    wanted = ["junit.xml", "events.jsonl", "agents/g1.log", "agents/g2.log"]
    assert set(wanted) <= evidence
    for guest in ("g1", "g2"):
        assert f"testbed: ready {guest}" in (user.latest / f"console-{guest}.log").read_text()
    assert any(name.startswith("hosts/h2/libvirt/qemu/g1") for name in evidence)


def event_names(user: User) -> set[str]:
    lines = (user.latest / "events.jsonl").read_text().splitlines()
    return {json.loads(line)["event"] for line in lines}


def test_root(root: User) -> None:
    with nothing_left():
        root.ok("demo", "--seconds", "2", "--seed", "7")
    assert root.summary()["seed"] == 7
    check(root, root.summary())
    seen = {name for name in event_names(root) if not name.startswith(RARE)}
    assert seen == set(EVENTS), "tests/lab/test_signals.py must know every event"


@pytest.mark.ordinary_user
def test_ordinary_user(ordinary: User) -> None:
    with nothing_left():
        ordinary.ok("demo", "--seconds", "1")
    check(ordinary, ordinary.summary())
