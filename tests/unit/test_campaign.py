"""Campaign files: what is refused, and where the message points."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.model.campaign import Campaign
from harness.model.campaign_topology import topology_of
from harness.model.topology import DiskSpec
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
control: always
"""


def test_a_good_file_is_read() -> None:
    campaign = parse_as(Campaign, GOOD, "c.yaml")
    assert (campaign.rest, campaign.limits.stall_below) == (0.3, 2.0)
    assert campaign.memory.ram == 16 << 20 and campaign.control == "always"
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
        ("[precopy, postcopy]", "[abort]", "c.yaml:5|none of these moves a guest; add"),
        ("control: always", "sut: [qemuu]", "c.yaml:12|qemu"),
        ("control: always", "sut: [qemu, qemu]", "c.yaml:12|each may stand once"),
        ("[bulk, requests]", "[bulk, bulk]", "c.yaml:3|each may stand once"),
        ("[ping-pong, opposite]", "[]", "c.yaml:4|scenarios"),
        ("control: always", "control: sometimes", "c.yaml:12|control"),
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


def campaign(*modes: str, **memory: object) -> Campaign:
    fields = {"name": "c", "migrations": 1, "modes": modes, "memory": memory}
    return Campaign.model_validate(fields)


@pytest.mark.parametrize(
    ("memory", "ends"),
    [({}, "refused"), ({"shared": True}, "moves"), ({"disk": 0}, "moves")],
)
def test_no_disk_that_is_copied_goes_through_a_tunnel(memory: dict[str, object], ends: str) -> None:
    found = campaign("precopy", "tunnelled", **memory).migration_modes
    assert [mode.ends for mode in found] == ["moves", ends]


def test_a_campaign_that_only_tunnels_copied_disks_moves_nobody() -> None:
    with pytest.raises(ValueError, match="as libvirt copies no disk through its tunnel"):
        campaign("tunnelled")


@pytest.mark.parametrize(
    ("memory", "size", "shared"),
    [
        ({}, 4 << 20, False),
        ({"disk": "4 KiB"}, 1 << 20, False),
        ({"disk": "1028 KiB", "shared": True}, 2 << 20, True),
    ],
)
def test_each_guest_has_a_disk_with_room_for_its_pattern(
    memory: dict[str, object], size: int, shared: bool
) -> None:
    topology = topology_of(campaign("precopy", **memory))
    disks = [guest.disks for guest in topology.guests.values()]
    assert disks == [(DiskSpec(size=size, format="raw", shared=shared),)] * 2
    assert topology.sut == ("qemu", "kernel") and topology.grants


def test_without_a_disk_pattern_there_is_no_disk() -> None:
    topology = topology_of(campaign("precopy", disk=0))
    assert [guest.disks for guest in topology.guests.values()] == [(), ()]


def test_without_a_network_guests_have_no_card_and_there_is_no_control() -> None:
    fields = {"name": "c", "migrations": 1, "network": False}
    made = Campaign.model_validate({**fields, "control": "never"})
    topology = topology_of(made)
    assert {topology.networks_of(guest) for guest in topology.guests} == {()}
    assert all(topology_of(campaign("precopy")).networks_of(guest) for guest in topology.guests)
    for control in ("failed", "always"):
        with pytest.raises(ValueError, match="without a network only our streams can be"):
            Campaign.model_validate({**fields, "control": control})
