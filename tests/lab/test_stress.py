"""A short stress run with real guests, as CI sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness import run
from tests.lab.support import User, await_event, nothing_left, press_ctrl_c

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
    edges = {(case["path_before"], case["path_after"]) for case in leg["cases"]}
    assert {("shm", "tcp"), ("tcp", "shm")} <= edges
    assert all(stream["bytes_verified"] > 0 and stream["clean"] for stream in leg["streams"])
    assert {series["stream"] for series in leg["series"]} >= {"bulk", "requests", "probe"}
    suite = ET.parse(root.latest / "junit.xml").getroot().find("testsuite[@name='grants']")
    assert suite is not None and len(suite.findall("testcase")) == len(leg["cases"])
    assert (root.latest / "report.html").stat().st_size > 10_000
    assert json.loads((root.latest / "campaign.json").read_text())["name"] == "smoke"


@pytest.mark.slow
@pytest.mark.skipif(
    os.environ.get("TESTBED_EVERY_SIGNAL") != "1",
    reason="takes half a minute; TESTBED_EVERY_SIGNAL=1 runs it",
)
def test_ctrl_c_leaves_evidence_and_nothing_else(root: User) -> None:
    def folder() -> Path | None:
        runs = list((root.home / "results").glob("*-stress-*"))
        return runs[0] if runs else None

    with nothing_left(), root.started("stress", "smoke") as command:
        assert await_event(folder, "case", command)
        press_ctrl_c(command)
        assert run.wait(command, 60) == 130
    found = root.summary()
    assert found["verdict"] == "fail" and "interrupted" in found["findings"]
    assert found["legs"][0]["cases"] and found["left_behind"] == []
