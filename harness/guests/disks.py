"""Guests' disks as files of the hosts: where they lie, what they begin with, how they are made.

A disk that begins with an image is a copy-on-write layer over it. The image itself lies on every
host, so a move copies no more than what the guest has written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TestbedError
from harness.hosts.base import Host
from harness.images.diskimage import DiskImage
from harness.model import naming
from harness.model.topology import DiskSpec, GuestSpec
from harness.virt.xml import Disk

IMAGES = "images"
MAKE_SECONDS = 60.0


@dataclass(frozen=True)
class DiskPlan:
    """A disk to be made: fresh with a `size` in bytes, or over an image.

    `folder` is the host's, and the testbed's alone: removing it removes all there is. A `readonly`
    disk is the image itself: there is nothing to make, and nothing to copy in a move.
    """

    folder: str
    name: str
    format: str
    shared: bool = False
    size: int = 0
    image: DiskImage | None = None
    readonly: bool = False

    @property
    def path(self) -> str:
        """The disk's file on the host."""
        return f"{self.folder}/{self.name}.{self.format}"

    @property
    def device(self) -> Disk:
        """What the guest sees of it."""
        return Disk(
            self.path, "raw" if self.format == "raw" else "qcow2", self.shared, self.readonly
        )

    @property
    def image_path(self) -> str:
        """Where the image below it lies on the host; empty when there is none."""
        if self.image is None:
            return ""
        return f"{self.folder}/{IMAGES}/{self.image.digest}.{self.image.format}"


def plan(
    testbed: str, name: str, guest: GuestSpec, boot: DiskImage | None = None
) -> tuple[DiskPlan, ...]:
    """The guest's disks in their order, the one it boots from in front."""
    first = [DiskPlan(folder_of(testbed), f"{name}-0", "qcow2", image=boot)] if boot else []
    rest = [
        _planned(folder_of(testbed, shared=disk.shared), f"{name}-{index}", disk)
        for index, disk in enumerate(guest.disks, len(first))
    ]
    return (*first, *rest)


def _planned(folder: str, name: str, disk: DiskSpec) -> DiskPlan:
    if disk.file is None:
        return DiskPlan(folder, name, disk.format, disk.shared, disk.size or 0)
    return DiskPlan(folder, name, "qcow2", disk.shared, image=DiskImage.of(Path(disk.file)))


def folder_of(testbed: str, *, shared: bool = False) -> str:
    """Where every host keeps the disks of that testbed."""
    return f"{naming.SHARED_DISKS if shared else naming.DISKS}/{testbed}"


def seed(testbed: str, image: DiskImage) -> DiskPlan:
    """A disk that no guest writes to: what cloud-init reads."""
    name = f"{IMAGES}/{image.digest}"
    return DiskPlan(folder_of(testbed), name, image.format, image=image, readonly=True)


def is_shared(path: str) -> bool:
    """Whether the other hosts see the same file at that path."""
    return path.startswith(f"{naming.SHARED_DISKS}/")


def put_images(hosts: Sequence[Host], plans: Iterable[DiskPlan]) -> None:
    """Put the images where the disks over them expect them; those of shared disks once."""
    for made in plans:
        for host in hosts[:1] if made.shared else hosts:
            _put_image(host, made)


def _put_image(host: Host, made: DiskPlan) -> None:
    target = made.image_path
    if made.image is None or host.run(["test", "-e", target], check=False).returncode == 0:
        return
    host.run(["mkdir", "-p", str(Path(target).parent)])
    host.put(made.image.path, target, mode=0o444)


def make(host: Host, made: DiskPlan) -> None:
    """Make a disk on that host. Raises TestbedError when it cannot be made."""
    if made.readonly:
        return
    below = ["-b", made.image_path, "-F", made.image.format] if made.image else []
    size = [] if made.image else [str(made.size)]
    create(host, made.path, made.format, below, size)


def create(
    host: Host, path: str, disk_format: str, below: Sequence[str], size: Sequence[str]
) -> None:
    """A disk's file, in a folder that is there afterwards."""
    argv = ["qemu-img", "create", "-q", "-f", disk_format, *below, path, *size]
    script = 'mkdir -p "$0" && exec "$@"'
    done = host.run(
        ["sh", "-c", script, str(Path(path).parent), *argv], within=MAKE_SECONDS, check=False
    )
    if done.returncode:
        raise TestbedError(
            f"the disk {path} cannot be made",
            where=host.name,
            why=done.stderr.strip(),
            fix="qemu-img is in the package qemu-utils" if done.returncode == 127 else "",
        )
