"""A short stress run with real guests, as CI sees it."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

from tests.lab.support import User, nothing_left

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
    junit = ET.parse(root.latest / "junit.xml").getroot()
    assert len(junit.findall("testsuite[@name='grants']/testcase")) == len(
        [*leg["cases"], *leg["streams"]]
    )
    assert json.loads((root.latest / "campaign.json").read_text())["name"] == "smoke"
