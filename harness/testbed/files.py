"""The user's own files that a topology names: are they there, and are they what they should be?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.errors import UsageError
from harness.images import diskimage, kernels
from harness.model.topology import GuestSpec, Topology

HIDDEN = ("/run", "/proc", "/sys", "/dev")  # inside a lab each is another one


def check(topology: Topology) -> None:
    """Raises UsageError for the first file that cannot serve. Reads no more than headers."""
    for name, guest in topology.guests.items():
        for key, file in _named(guest):
            _check_readable(f"guests.{name}.{key}", file)
        _check_content(f"guests.{name}", guest)


def _named(guest: GuestSpec) -> Iterator[tuple[str, Path]]:
    """Every file it names, with the key that names it."""
    image = guest.image if guest.disk_image else None
    given = {"image": image, "kernel": guest.kernel, "initrd": guest.initrd}
    given |= {f"disks.{index}.file": disk.file for index, disk in enumerate(guest.disks)}
    return ((key, Path(value)) for key, value in given.items() if value)


def _check_readable(where: str, file: Path) -> None:
    try:
        resolved = file.resolve(strict=True)
        if not resolved.is_file():
            raise UsageError(f"{file} is no file", where=where)
        with resolved.open("rb"):
            pass
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"{file} cannot be read", where=where, why=why) from None
    for hidden in HIDDEN:
        if resolved.is_relative_to(hidden):
            why = f"inside a lab {hidden} is another one"
            raise UsageError(f"{file} cannot be seen by the hosts", where=where, why=why)


def _check_content(where: str, guest: GuestSpec) -> None:
    if guest.disk_image:
        diskimage.format_of(Path(guest.image))
    if guest.kernel:
        release = kernels.release_of(Path(guest.kernel))
        if guest.modules:
            kernels.check_modules(Path(guest.modules), release)
    for index, disk in enumerate(guest.disks):
        if disk.file and diskimage.format_of(Path(disk.file)) != disk.format:
            raise UsageError(
                f"{disk.file} is not of format {disk.format}",
                where=f"{where}.disks.{index}.format",
                why="its first bytes are those of a qcow2 image, or lack them",
                fix=f"format: {diskimage.format_of(Path(disk.file))}",
            )
