"""The NoCloud seeds of guests that boot a disk image of the user's: who they are, and
what makes them guests of ours."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness import config, run
from harness.images.disk import tools
from harness.images.disk.deb import build_deb
from harness.images.disk.qemu_ga import build_qemu_ga
from harness.images.disk.seed import Card, Told, build_seed
from harness.images.diskimage import DiskImage
from harness.images.store import digest_of
from harness.model import naming
from harness.testbed.record import TestbedRecord

FOLDER = "seeds"
INSTALL = "images/cloud/install"


def build(record: TestbedRecord) -> dict[str, DiskImage]:
    """A seed for each guest that needs one, in the testbed's own folder."""
    names = [name for name, guest in record.topology.guests.items() if guest.seeded]
    if not names:
        return {}
    tools.require(tools.SEED)
    folder = record.folder / FOLDER
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        carried = {
            "install": config.REPOSITORY / INSTALL,
            "agent.deb": build_deb(config.REPOSITORY, Path(place), run.run),
            "qemu-ga.tar": build_qemu_ga(config.cache_dir(), config.REPOSITORY, run.run),
        }
        return {name: _seed(tell(record, name), carried, folder / f"{name}.raw") for name in names}


def tell(record: TestbedRecord, name: str) -> Told:
    """What that guest is told: its name, its id, its cards, and the keys of who started it."""
    topology, domain_id = record.topology, record.topology.guest_id(name)
    networks = [topology.network_index(network) for network in topology.networks_of(name)]
    cards = [
        Card(
            naming.guest_mac(record.testbed_id, domain_id, index),
            f"{address}/{naming.GUEST_PREFIX}",
        )
        for index, address in zip(networks, topology.addresses_of(name), strict=True)
    ]
    keys = tuple(path.read_text().strip() for path in sorted(Path.home().glob(".ssh/id_*.pub")))
    return Told(name, domain_id, f"{record.testbed_id}-{name}", cards, keys)


def _seed(told: Told, carried: Mapping[str, Path], to: Path) -> DiskImage:
    build_seed(told, carried, to, run.run)
    return DiskImage(to, "raw", digest_of((to.read_bytes(),)))
