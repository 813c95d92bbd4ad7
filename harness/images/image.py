"""A built image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.images.diskimage import DiskImage

KERNEL, INITRD = "kernel", "initrd"  # the files' names, in the cache and on the hosts


@dataclass(frozen=True)
class Image:
    """A kernel and an initial RAM file system that boot to a ready guest.

    `digest` names the image's content: what it was made from, and how. A kernel that finds its
    root on a disk may have no initrd. An image with a `disk` has its root there, and each guest
    changes it in a layer of its own.
    """

    kernel: Path
    initrd: Path | None
    digest: str
    kernel_release: str
    kernel_arguments: tuple[str, ...]
    disk: Path | None = None

    @property
    def disk_image(self) -> DiskImage | None:
        """The disk as what a guest's own begins with."""
        return DiskImage(self.disk, "qcow2", self.digest) if self.disk else None


def identity(*, name: str, domain_id: int, address: str) -> tuple[str, ...]:
    """The words that tell a guest who it is; `address` carries its prefix length, and may be a
    list with commas."""
    return (f"domsock.name={name}", f"domsock.id={domain_id}", f"domsock.ip={address}")


def command_line(image: Image, who: Iterable[str], extra: str = "") -> str:
    """The kernel command line of one guest: the image's, more words, and its `identity`."""
    return " ".join(filter(None, (*image.kernel_arguments, extra, *who)))


def probe_command_line(image: Image) -> str:
    """The kernel command line of a guest that says it is ready and powers off at once."""
    return " ".join((*image.kernel_arguments, "domsock.name=probe", "domsock.probe"))
