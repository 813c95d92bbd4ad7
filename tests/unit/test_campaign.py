"""Campaign files: what is refused, and where the message points."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.model.campaign import Campaign
from harness.model.topology_text import parse_as

GOOD = """\
name: mine
seed: 7
workloads: [bulk, requests]
scenarios: [ping-pong, opposite]
modes: [precopy, postcopy]
migrations: 20
rest: 300 ms
memory: {ram: 16 MiB, disk: 0, dirty: 1 MiB}
limits:
  stall_below: 2 s
  downtime_below: 1.5 s
control: true
"""


def test_a_good_file_is_read() -> None:
    campaign = parse_as(Campaign, GOOD, "c.yaml")
    assert (campaign.rest, campaign.limits.stall_below) == (0.3, 2.0)
    assert campaign.memory.ram == 16 << 20 and campaign.control is True
    assert not campaign.uses_tls


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("workloads", "worklaods", "c.yaml:3|did you mean 'workloads'?"),
        ("  stall_below", "  stall_blow", "c.yaml:10|did you mean 'stall_below'?"),
        ("postcopy", "postcoy", "c.yaml:5|no mode 'postcoy': did you mean 'postcopy'?"),
        ("opposite", "oposite", "c.yaml:4|opposite"),
        ("2 s", "soon", "c.yaml:10|a duration is such as"),
        ("2 s", "0", "c.yaml:10|greater than 0"),
        ("16 MiB", "65 MiB", "c.yaml:8|at most 64 MiB"),
        ("16 MiB", "5", "c.yaml:8|whole pages"),
        ("migrations: 20", "migrations: 0", "c.yaml:6|greater than 0"),
        ("migrations: 20", "migrations: true", "c.yaml:6|migrations"),
        ("migrations: 20\n", "", "c.yaml:1|either migrations or duration"),
        ("migrations: 20", "migrations: 20\nduration: 1 min", "c.yaml:1|either"),
        ("[precopy, postcopy]", "[abort]", "c.yaml:5|none of these moves a guest"),
        ("[bulk, requests]", "[bulk, bulk]", "c.yaml:3|each may stand once"),
        ("[ping-pong, opposite]", "[]", "c.yaml:4|scenarios"),
        ("control: true", "control: sometimes", "c.yaml:12|control"),
        ("seed: 7", "seed: -1", "c.yaml:2|seed"),
        ("seed: 7", "seed: &a [*a]", "c.yaml:2|aliases"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        parse_as(Campaign, GOOD.replace(old, new, 1), "c.yaml")
    for part in expected.split("|"):
        assert part in str(caught.value)
