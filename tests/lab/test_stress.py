"""A short stress run with real guests, as CI sees it."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness import clock, run
from tests.lab.support import User, await_event, nothing_left

MIGRATIONS = 8


def test_a_short_smoke_passes(root: User) -> None:
    with nothing_left():
        root.ok("stress", "smoke", "--migrations", str(MIGRATIONS))
    found = root.summary()
    assert (found["verdict"], found["findings"], found["left_behind"]) == ("pass", [], [])
    [leg] = found["legs"]
    assert found["figures"]["grants.migrations"] >= MIGRATIONS
    assert {case["verdict"] for case in leg["cases"]} <= {"pass", "refused"}
    assert all(case["ram_checked"] and case["disk_checked"] for case in leg["cases"])
    moved = [case for case in leg["cases"] if case["migrations"]]
    assert any(case["downtime_qemu_ms"] for case in moved)
    assert all(case["said"] for case in leg["cases"] if case["verdict"] == "refused")
    edges = {(case["path_before"], case["path_after"]) for case in leg["cases"]}
    assert {("shm", "tcp"), ("tcp", "shm")} <= edges
    assert all(stream["bytes_verified"] > 0 and stream["clean"] for stream in leg["streams"])
    assert {series["stream"] for series in leg["series"]} >= {"bulk", "requests", "probe"}
    suite = ET.parse(root.latest / "junit.xml").getroot().find("testsuite[@name='grants']")
    assert suite is not None and len(suite.findall("testcase")) == len(leg["cases"])
    assert (root.latest / "report.html").stat().st_size > 10_000
    assert json.loads((root.latest / "campaign.json").read_text())["name"] == "smoke"


FLIPPED = """\
name: flipped
workloads: [bulk]
scenarios: [ping-pong]
modes: [precopy, tls-parallel]
migrations: 6
rest: 500 ms
memory: {ram: 4 MiB, disk: 1 MiB, dirty: 0}
"""
SPOIL = "dd if=/dev/zero of=/dev/vda bs=4096 seek=20 count=1 conv=notrunc && sync"


def running(user: User) -> Path | None:
    """The folder of the only run so far."""
    return next((user.home / "results").glob("*-stress-*"), None)


@pytest.mark.long
def test_a_spoilt_disk_is_found_and_the_control_tells_whose_it_is(root: User) -> None:
    (root.home / "flipped.yaml").write_text(FLIPPED)
    wishes = ("--keep", "failed", "--ttl", "1h", "--results-cap", "300 KiB")
    with nothing_left():
        with root.started("stress", "flipped.yaml", *wishes) as command:
            assert await_event(lambda: running(root), "case", command)
            [name] = [entry.name for entry in (root.home / "state" / "testbeds").iterdir()]
            spoil = ("exec", "-t", name, "g1", "--", "sh", "-c", SPOIL)
            clock.wait_until(
                lambda: root.run(*spoil).returncode == 0, within=60, what="a page to be spoilt"
            )
            assert run.wait(command, 180) == 1
        assert f"testbed ssh g1 -t {name}" in (root.home / "background.log").read_text()
        assert root.ok("exec", "-t", name, "g2", "--", "hostname").split() == ["g2"]
        assert root.json("grants", "-t", name) == []
        root.ok("down", name)
    grants, control = root.summary()["legs"]
    bad = [case for case in grants["cases"] if case["verdict"] == "fail"]
    assert bad and all(case["index"] > 0 for case in bad)
    wrong = "g1: 1 pages of its disk pattern are wrong, the first is page 20"
    assert {finding for case in bad for finding in case["findings"]} == {wrong}
    repeated = [(case["index"], case["verdict"]) for case in control["cases"]]
    assert repeated == [(case["index"], "pass") for case in bad]
    assert root.summary()["attribution"].startswith("ours: case")
    assert sum(f.stat().st_size for f in root.latest.resolve().rglob("*.log")) < 300 * 1024
    check_that_it_can_be_repeated(root, bad[0])


def check_that_it_can_be_repeated(user: User, case: dict[str, Any]) -> None:
    """The command that was printed, typed as it is."""
    program, *words = shlex.split(case["repeat"])
    assert program == "testbed"
    with nothing_left():
        user.ok(*words)
    [leg] = user.summary()["legs"]
    [again] = leg["cases"]
    same = ("index", "name", "scenario", "modes", "path_before", "path_after")
    assert {key: again[key] for key in same} == {key: case[key] for key in same}
    assert again["verdict"] == "pass"


@pytest.mark.long
def test_what_a_tunnel_refuses_for_a_copied_disk_it_takes_with_a_shared_one(root: User) -> None:
    text = FLIPPED.replace("tls-parallel", "tunnelled").replace("6", "2", 1)
    verdicts = {}
    for shared in ("false", "true"):
        (root.home / "c.yaml").write_text(text.replace("dirty: 0", f"dirty: 0, shared: {shared}"))
        with nothing_left():
            root.ok("stress", "c.yaml")
        [leg] = root.summary()["legs"]
        assert all(case["disk_checked"] for case in leg["cases"])
        verdicts[shared] = {c["verdict"] for c in leg["cases"] if c["modes"] == ["tunnelled"]}
    assert verdicts == {"false": {"refused"}, "true": {"pass"}}


@pytest.mark.slow
@pytest.mark.skipif(
    os.environ.get("TESTBED_EVERY_SIGNAL") != "1",
    reason="takes half a minute; TESTBED_EVERY_SIGNAL=1 runs it",
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_its_group_leaves_evidence_and_nothing_else(root: User, number: int) -> None:
    """Ctrl-C on a terminal, or `timeout` and CI."""
    with nothing_left(), root.started("stress", "smoke") as command:
        assert await_event(lambda: running(root), "case", command)
        os.killpg(command.pid, number)
        assert run.wait(command, 60) == 130
    found = root.summary()
    assert found["verdict"] == "fail" and "interrupted" in found["findings"]
    assert found["legs"][0]["cases"] and found["left_behind"] == []
