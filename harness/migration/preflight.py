"""Can this guest move there? Everything that can be checked is checked before anything moves."""

from __future__ import annotations

from harness.errors import UsageError
from harness.guests.guest import Guest
from harness.guests.place import Place

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
    _check_memory(guest, destination)


def _check_memory(guest: Guest, destination: Place) -> None:
    needed = guest.domain.memory() + SPARE_BYTES
    free = destination.connection.free_memory()
    if free < needed:
        raise UsageError(
            f"{destination.name} has {free >> 20} MiB free, {guest.name} needs {needed >> 20} MiB",
            fix="end a guest there, or choose another host",
        )
