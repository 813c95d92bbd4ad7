"""A guest's disks on its way to another host: copied by the migration, or seen by both hosts."""

from __future__ import annotations

from dataclasses import dataclass

from harness.guests import disks
from harness.guests.place import Place
from harness.virt.domain import Domain
from harness.virt.xml import LiveDisk


@dataclass(frozen=True)
class Luggage:
    """The disks that must be copied, and whether there are others that both hosts see."""

    copied: tuple[LiveDisk, ...]
    shared: bool

    @classmethod
    def of(cls, domain: Domain) -> Luggage:
        """What the running guest has."""
        found = [disk for disk in domain.disks() if not disk.readonly]
        copied = tuple(disk for disk in found if not disks.is_shared(disk.path))
        return cls(copied, shared=len(copied) < len(found))

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the disks to copy."""
        return tuple(disk.target for disk in self.copied)

    def prepare(self, domain: Domain, destination: Place) -> None:
        """Make the files there that the migration fills. Raises TestbedError.

        One over an image is made over that image there: only what was written is copied.
        """
        for disk in self.copied:
            below = ["-b", disk.image, "-F", disk.image_format] if disk.image else []
            size = [str(domain.disk_size(disk.target))]
            disks.create(destination.host, disk.path, disk.format, below, size)

    def discard(self, place: Place) -> None:
        """Remove the copies on a host where the guest is not. Raises TestbedError."""
        if self.copied:
            place.host.run(["rm", "-f", *(disk.path for disk in self.copied)])
