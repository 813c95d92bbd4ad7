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

# By whether it is a whole system, and whether KVM runs it; on a busy machine.
BOOT_SECONDS = {
    (False, False): 120.0,
    (False, True): 60.0,
    (True, False): 900.0,
    (True, True): 180.0,
}


@dataclass(frozen=True)
class Parts:
    """Without a `kernel` the first disk boots. `whole` is a system with its root on a disk and
    services to start. `advice` is for when the guest does not come up."""

    kernel: Image | None
    disks: tuple[DiskPlan, ...] = ()
    advice: str = ""
    whole: bool = False

    def boot_seconds(self, *, kvm: bool) -> float:
        """How long it may take until all of it is started."""
        return BOOT_SECONDS[self.whole, kvm]


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
        base = images[MICRO if guest.disk_image else guest.image]
        image = kernels.image(guest, base)
        return Parts(image, planned, kernels.advice(guest, image, base), whole=boot is not None)
    if guest.disk_image:
        seeds = (disks.seed(testbed, seed),) if seed else ()
        return Parts(None, (*planned, *seeds), _advice(guest.image), whole=True)
    return Parts(images[guest.image], planned, whole=boot is not None)


def _advice(image: str) -> str:
    return (
        f"{image} must boot by BIOS (UEFI alone does not do), say what it does on ttyS0, and have "
        "cloud-init and dpkg in it; or domsockd's own package and qemu-guest-agent"
    )
