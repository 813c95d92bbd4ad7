"""Guests' disks: where they lie, how they are made, and what happens to them in a move."""

from __future__ import annotations

from pathlib import Path

import libvirt
import pytest

from harness.errors import TestbedError
from harness.guests import disks
from harness.guests.place import Place
from harness.hosts.fake import FakeHost
from harness.images.diskimage import DiskImage
from harness.migration.disks import Luggage
from harness.model.topology import GuestSpec
from harness.run import Completed
from harness.virt.job import Passage
from harness.virt.xml import Disk, LiveDisk

OWN, SHARED = "/var/lib/domsock/disks/t-1", "/var/lib/domsock/shared/t-1"


def guest(*given: dict[str, object]) -> GuestSpec:
    return GuestSpec.model_validate({"host": "h1", "disks": given})


def empty() -> FakeHost:
    """A host with no file on it."""
    return FakeHost("h1", lambda argv, _: Completed(tuple(argv), int(argv[0] == "test"), "", ""))


def host(returncode: int = 0, said: str = "") -> FakeHost:
    return FakeHost("h1", lambda argv, _input: Completed(tuple(argv), returncode, "", said))


def test_fresh_disks_lie_where_they_are_seen_by_whom_they_should() -> None:
    fresh = guest({"size": "1 MiB"}, {"size": "2 MiB", "format": "raw", "shared": True})
    assert [planned.device for planned in disks.plan("t-1", "g1", fresh)] == [
        Disk(f"{OWN}/g1-0.qcow2", "qcow2"),
        Disk(f"{SHARED}/g1-1.raw", "raw", shared=True),
    ]


def test_what_begins_with_a_file_is_a_layer_over_it(tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(b"content")
    spec = guest({"file": str(tmp_path / "base.raw"), "format": "raw"})
    [planned] = disks.plan("t-1", "g1", spec)
    there = empty()
    disks.put_images([there], [planned])
    assert planned.device == Disk(f"{OWN}/g1-0.qcow2", "qcow2")
    assert there.files == {planned.image_path: (b"content", 0o444)}
    made = host()
    disks.make(made, planned)
    assert made.calls[0][-5:] == ("-b", planned.image_path, "-F", "raw", planned.path)


def test_a_disk_to_boot_from_is_the_first(tmp_path: Path) -> None:
    (tmp_path / "os.img").write_bytes(b"")
    boot = DiskImage.of(tmp_path / "os.img")
    planned = disks.plan("t-1", "g1", guest({"size": "1 MiB"}), boot)
    assert [disk.path for disk in planned] == [f"{OWN}/g1-0.qcow2", f"{OWN}/g1-1.qcow2"]
    assert planned[0].image == boot


def test_an_image_of_shared_disks_is_put_once(tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(b"content")
    file = {"file": str(tmp_path / "base.raw"), "format": "raw", "shared": True}
    hosts = [empty(), empty()]
    disks.put_images(hosts, disks.plan("t-1", "g1", guest(file)))
    assert [len(each.files) for each in hosts] == [1, 0]


@pytest.mark.parametrize(("code", "said"), [(1, "No space left"), (127, "qemu-utils")])
def test_a_disk_that_cannot_be_made_is_told(code: int, said: str) -> None:
    [planned] = disks.plan("t-1", "g1", guest({"size": "1 MiB"}))
    with pytest.raises(TestbedError, match=said):
        disks.make(host(code, "No space left"), planned)


class FakeDomain:
    """A guest with a layered disk, a shared one and a seed."""

    def disks(self) -> list[LiveDisk]:
        return [
            LiveDisk("vda", f"{OWN}/g1-0.qcow2", "qcow2", False, f"{OWN}/images/x.raw", "raw"),
            LiveDisk("vdb", f"{SHARED}/g1-1.raw", "raw", False, "", ""),
            LiveDisk("vdc", f"{OWN}/seed", "raw", True, "", ""),
        ]

    def disk_size(self, target: str) -> int:
        return {"vda": 4096}[target]


def test_only_disks_that_the_other_host_does_not_see_are_copied() -> None:
    domain, there = FakeDomain(), host()
    luggage = Luggage.of(domain)  # type: ignore[arg-type]
    assert (luggage.targets, luggage.shared) == (("vda",), True)
    place = Place(there, None)  # type: ignore[arg-type]
    luggage.prepare(domain, place)  # type: ignore[arg-type]
    luggage.discard(place)
    made, removed = there.calls
    assert made[-6:] == ("-b", f"{OWN}/images/x.raw", "-F", "raw", f"{OWN}/g1-0.qcow2", "4096")
    assert removed == ("rm", "-f", f"{OWN}/g1-0.qcow2")


def test_libvirt_is_told_what_to_copy_and_what_it_cannot_know() -> None:
    assert Passage().flags == 0 and Passage().parameters == {}
    passage = Passage(("vda",), shared=True, arrival="<domain/>")
    assert passage.flags == libvirt.VIR_MIGRATE_NON_SHARED_INC | libvirt.VIR_MIGRATE_UNSAFE
    assert passage.parameters == {
        libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: ["vda"],
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: "<domain/>",
    }
