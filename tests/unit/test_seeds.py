"""Guests from images with a disk: which parts they get, and what cloud-init in them is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.config import REPOSITORY
from harness.guests import disks, parts
from harness.hosts.fake import FakeHost
from harness.images.diskimage import DiskImage
from harness.images.image import Image
from harness.images.kernels import OwnKernels
from harness.images.micro import RECIPE
from harness.model.topology import Topology
from harness.run import Completed
from harness.testbed import seeds
from harness.testbed.record import TestbedRecord

OWN = "/var/lib/domsock/disks/t-1/images"


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """One guest of each kind, in two networks."""
    (tmp_path / "cloud.qcow2").write_bytes(b"QFI\xfb" + bytes(100))
    guests: dict[str, Any] = {
        "m1": {"host": "h1"},
        "d1": {"host": "h1", "image": "debian", "memory": "256 MiB"},
        "c1": {"host": "h1", "image": str(tmp_path / "cloud.qcow2")},
    }
    networks: dict[str, Any] = {"guests": {}, "storage": {}}
    return Topology.model_validate(
        {"name": "t", "hosts": {"h1": {}}, "networks": networks, "guests": guests}
    )


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Image]:
    kernel, initrd = tmp_path / "k", tmp_path / "i"
    return {
        "micro": Image(kernel, initrd, "m", "6.1", ("quiet",)),
        "debian": Image(kernel, initrd, "d", "6.1", ("root=/dev/vda2",), tmp_path / "disk.qcow2"),
    }


@pytest.fixture
def found(topology: Topology, images: dict[str, Image], tmp_path: Path) -> dict[str, parts.Parts]:
    kernels = OwnKernels(REPOSITORY / RECIPE, tmp_path / "cache")
    (tmp_path / "seed.raw").write_text("the seed")
    seed = {"c1": DiskImage(tmp_path / "seed.raw", "raw", "s")}
    return {
        name: parts.find("t-1", name, guest, images, kernels, seed.get(name))
        for name, guest in topology.guests.items()
    }


def test_ours_boots_its_kernel_over_its_disk(found: dict[str, parts.Parts]) -> None:
    made = found["d1"]
    assert made.kernel is not None and made.kernel.digest == "d"
    assert [plan.image_path for plan in made.disks] == [f"{OWN}/d.qcow2"]
    assert found["m1"].disks == ()


def test_a_cloud_image_is_booted_by_the_firmware_with_its_seed_behind_it(
    found: dict[str, parts.Parts],
) -> None:
    made = found["c1"]
    assert made.kernel is None and "cloud-init" in made.advice
    root, seed = made.disks
    assert root.device.format == "qcow2" and not root.device.readonly
    assert seed.device.readonly and seed.device.path == seed.image_path == f"{OWN}/s.raw"


def test_a_seed_is_put_on_every_host_and_never_made_there(found: dict[str, parts.Parts]) -> None:
    def absent(argv: Sequence[str], _input: str | None) -> Completed:
        return Completed(tuple(argv), int(argv[0] == "test"), "", "")

    hosts = [FakeHost(name, absent) for name in ("h1", "h2")]
    _, seed = found["c1"].disks
    disks.put_images(hosts, [seed])
    assert all(host.files == {seed.image_path: (b"the seed", 0o444)} for host in hosts)
    before = len(hosts[0].calls)
    disks.make(hosts[0], seed)
    assert len(hosts[0].calls) == before


def test_cloud_init_is_told_name_id_and_a_card_for_each_network(
    topology: Topology, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text("ssh-ed25519 AAAA me\n")
    record = TestbedRecord.new(topology, "digest")
    told = seeds.tell(record, "c1")
    assert (told.name, told.domain_id, told.keys) == ("c1", 5, ("ssh-ed25519 AAAA me",))
    assert [card.address for card in told.cards] == ["10.99.0.5/16", "10.100.0.5/16"]
    assert told.instance == f"{record.testbed_id}-c1"


def test_only_disks_of_the_users_own_need_a_seed(topology: Topology) -> None:
    assert [name for name, guest in topology.guests.items() if guest.seeded] == ["c1"]
