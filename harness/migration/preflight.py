"""Can this guest move there? Everything that can be checked is checked before anything moves."""

from __future__ import annotations

from pathlib import PurePosixPath

from harness.errors import UsageError
from harness.guests import disk_room
from harness.guests.guest import Guest
from harness.guests.place import Place
from harness.migration.disks import Luggage
from harness.virt.domain import Domain

SPARE_BYTES = 64 << 20


def check(guest: Guest, destination: Place) -> None:
    """Raises UsageError with the fix for the first finding."""
    if guest.place.name == destination.name:
        raise UsageError(
            f"{guest.name} is on {destination.name} already",
            fix="testbed ls shows where each guest is",
        )
    if not guest.domain.running():
        raise UsageError(
            f"{guest.name} is not running",
            where=guest.place.name,
            fix=f"testbed console {guest.name} shows why",
        )
    _check_name(guest, destination)
    _check_memory(guest, destination)
    _check_disks(guest, destination)


def _check_name(guest: Guest, destination: Place) -> None:
    """libvirt has a name once on a host."""
    other = Domain.named(destination.connection, guest.name)
    if other is not None and other.uuid != guest.domain.uuid:
        raise UsageError(
            f"{destination.name} runs another domain named {guest.name}",
            fix="end that one, or choose another host",
        )


def _check_memory(guest: Guest, destination: Place) -> None:
    needed = guest.domain.memory() + SPARE_BYTES
    free = destination.connection.free_memory()
    if free < needed:
        raise UsageError(
            f"{destination.name} has {free >> 20} MiB free, {guest.name} needs {needed >> 20} MiB",
            fix="end a guest there, or choose another host",
        )


def _check_disks(guest: Guest, destination: Place) -> None:
    """What is on its own disks must fit there; beside that on a lab's other host, as in a move."""
    copied = Luggage.of(guest.domain).copied
    if not copied:
        return
    needed = SPARE_BYTES + sum(guest.domain.disk_use(disk.target) for disk in copied)
    folder = str(PurePosixPath(copied[0].path).parent)
    _, free = disk_room.free(destination.host, folder)
    if free < needed:
        raise UsageError(
            f"{destination.name} has {free >> 20} MiB of disk free, "
            f"{guest.name}'s disks need {needed >> 20} MiB",
            where=folder,
            fix="make room there, or choose another host",
        )
