"""What a guest is made from, once found on this machine: a kernel, disks, or both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.guests import disks
from harness.guests.disks import DiskPlan
from harness.images.diskimage import DiskImage
from harness.images.image import Image
from harness.images.kernels import OwnKernels
from harness.model.topology import GuestSpec


@dataclass(frozen=True)
class Parts:
    """Without a `kernel` the first disk boots. `advice` is for when the guest does not come up."""

    kernel: Image | None
    disks: tuple[DiskPlan, ...] = ()
    advice: str = ""


def find(testbed: str, name: str, guest: GuestSpec, micro: Image, kernels: OwnKernels) -> Parts:
    """The parts of one guest. Raises UsageError for a file that cannot serve."""
    boot = DiskImage.of(Path(guest.image)) if guest.disk_image else None
    planned = disks.plan(testbed, name, guest, boot)
    if guest.kernel:
        image = kernels.image(guest, micro)
        return Parts(image, planned, kernels.advice(guest, image, micro))
    if boot:
        advice = f"{guest.image} must start domsockd and qemu-guest-agent by itself"
        return Parts(None, planned, advice)
    return Parts(micro, planned)
