"""qemu-guest-agent for a disk image that has none: this distribution's, with its own libraries.

Most cloud images come without it, and a guest without internet cannot install it.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.images import content
from harness.images.apt import Apt, Runner
from harness.images.content import Unpacked
from harness.images.disk.archive import Member, tar
from harness.images.packages import Packages
from harness.images.recipe import Source
from harness.images.store import Store, digest_of

PACKAGE, PROGRAM = "qemu-guest-agent", "usr/sbin/qemu-ga"
FOLDER = "usr/lib/testbed/qemu-ga"
UNIT = "images/cloud/testbed-qemu-ga.service"
UNIT_THERE = "etc/systemd/system/testbed-qemu-ga.service"
ARCHIVE = "qemu-ga.tar"
LOCK_SECONDS = 600.0
ROOM = 64 << 20
KEPT = 2


def build_qemu_ga(cache: Path, repository: Path, run: Runner) -> Path:
    """Its archive, to be unpacked at the root of a guest; made or found in `cache`."""
    store = Store(cache / "images")
    system = platform.freedesktop_os_release()
    unit = content.read_source(repository, Source(path=UNIT))
    parts = (system["ID"], system.get("VERSION_ID", ""), FOLDER)
    name = f"qemu-ga-{digest_of((unit, *(part.encode() for part in parts)))}"

    def fill(folder: Path) -> dict[str, Any]:
        packages = Packages(Apt(run, store.root / "apt"), run, store.root / "packages", (PACKAGE,))
        chosen = packages.fetch(refresh=False)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            packages.unpack(chosen, Path(place))
            (folder / ARCHIVE).write_bytes(tar(_members(Unpacked(Path(place)), unit)))
        return {}

    with store.lock(LOCK_SECONDS):
        store.make(name, fill, room=ROOM)
        store.keep_newest("qemu-ga-*", KEPT)
    return store.root / name / ARCHIVE


def _members(unpacked: Unpacked, unit: bytes) -> Iterator[Member]:
    program = unpacked.find(PROGRAM)
    needed = content.libraries_of([program], unpacked)
    yield Member(UNIT_THERE, unit)
    yield Member(f"{FOLDER}/qemu-ga", program.read_bytes(), 0o755)
    for name, data in needed.files.items():
        yield Member(f"{FOLDER}/{name}", data, 0o755)
    for loader in needed.loaders:
        yield Member(f"{FOLDER}/loader", target=Path(loader).name)
