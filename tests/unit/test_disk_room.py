"""Room on the hosts for guests' disks: what is counted, where, and what is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.errors import UsageError
from harness.guests import disk_room
from harness.guests.disks import DiskPlan
from harness.hosts.fake import FakeHost
from harness.images.diskimage import DiskImage
from harness.run import Completed

MIB = 1 << 20
OWN, SHARED = "/disks/t", "/shared/t"


def host(name: str, free_mib: int, number: str = "abc") -> FakeHost:
    def answer(argv: Sequence[str], _input: str | None) -> Completed:
        return Completed(tuple(argv), 0, f"{number} {free_mib * 256} 4096\n", "")

    return FakeHost(name, answer)


@pytest.fixture
def layered(tmp_path: Path) -> DiskPlan:
    """A disk over an image of 3 MiB."""
    (tmp_path / "image").write_bytes(bytes(3 * MIB))
    return DiskPlan(OWN, "d1-0", "qcow2", image=DiskImage(tmp_path / "image", "raw", "x"))


def fresh(mib: int, **more: Any) -> DiskPlan:
    return DiskPlan(OWN, "g1-0", "qcow2", size=mib * MIB, **more)


def test_an_image_counts_once_on_every_host_and_a_fresh_disk_where_it_starts(
    layered: DiskPlan,
) -> None:
    homes = {"h1": [layered, layered, fresh(10)], "h2": []}
    assert disk_room.needs("h1", homes, "h1") == {OWN: 13 * MIB}
    assert disk_room.needs("h2", homes, "h1") == {OWN: 3 * MIB}


def test_what_all_hosts_see_counts_once(layered: DiskPlan) -> None:
    assert layered.image is not None
    shared = DiskPlan(SHARED, "g1-0", "qcow2", shared=True, image=layered.image)
    homes = {"h1": [], "h2": [shared]}
    assert disk_room.needs("h1", homes, "h1") == {SHARED: 3 * MIB}
    assert disk_room.needs("h2", homes, "h1") == {SHARED: 0}


def test_a_lab_has_one_disk_for_all_its_hosts(layered: DiskPlan) -> None:
    hosts, homes = [host("h1", 15), host("h2", 15)], {"h1": [layered, fresh(10)], "h2": [layered]}
    disk_room.require(hosts, homes, one_machine=False, fix="less")
    with pytest.raises(UsageError, match="15 MiB are free, and they may take 16 MiB") as caught:
        disk_room.require(hosts, homes, one_machine=True, fix="less")
    assert caught.value.fix == "less" and OWN in caught.value.where


def test_a_file_system_is_found_above_a_folder_that_is_still_to_be_made(tmp_path: Path) -> None:
    here = FakeHost("h1", lambda argv, _: run.run(argv, check=False))
    number, room = disk_room.free(here, str(tmp_path))
    assert disk_room.free(here, str(tmp_path / "a b" / "c"))[0] == number and room > 0
    assert disk_room.free(here, "/no-such-folder/x")[1] > 0
