"""What a guest is made from, once found on this machine: a kernel, disks, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.guests import disks
from harness.guests.disks import DiskPlan
from harness.images.diskimage import DiskImage
from harness.images.image import Image
from harness.images.kernels import OwnKernels
from harness.model.topology import MICRO, GuestSpec


@dataclass(frozen=True)
class Parts:
    """Without a `kernel` the first disk boots. `advice` is for when the guest does not come up."""

    kernel: Image | None
    disks: tuple[DiskPlan, ...] = ()
    advice: str = ""


def find(
    testbed: str,
    name: str,
    guest: GuestSpec,
    images: Mapping[str, Image],
    kernels: OwnKernels,
    seed: DiskImage | None = None,
) -> Parts:
    """The parts of one guest; `images` are ours, by name. Raises UsageError for a file that cannot
    serve."""
    boot = DiskImage.of(Path(guest.image)) if guest.disk_image else images[guest.image].disk_image
    planned = disks.plan(testbed, name, guest, boot)
    if guest.kernel:
        image = kernels.image(guest, images[MICRO])
        return Parts(image, planned, kernels.advice(guest, image, images[MICRO]))
    if guest.disk_image:
        seeds = (disks.seed(testbed, seed),) if seed else ()
        return Parts(None, (*planned, *seeds), _advice(guest.image))
    return Parts(images[guest.image], planned)


def _advice(image: str) -> str:
    return (
        f"{image} needs qemu-guest-agent in it, and cloud-init, which installs domsockd from its "
        "NoCloud seed; or domsockd's own package instead of cloud-init"
    )
