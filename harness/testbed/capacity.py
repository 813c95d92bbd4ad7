"""Is there room? Asked before anything boots: a full /dev/shm kills a guest later."""

from __future__ import annotations

import psutil

from harness.errors import UsageError
from harness.model.topology import Topology

QEMU_OVERHEAD = 120 << 20
HOST_OVERHEAD = 96 << 20


def needed_memory(topology: Topology) -> int:
    """Bytes this topology takes on one machine, all hosts being its namespaces."""
    guests = sum(guest.memory + QEMU_OVERHEAD for guest in topology.guests.values())
    return guests + HOST_OVERHEAD * len(topology.hosts) + topology.region_bytes()


def check(topology: Topology, available: int | None = None) -> None:
    """Raises UsageError when memory, or a host's room for regions, does not suffice."""
    free = psutil.virtual_memory().available if available is None else available
    needed = needed_memory(topology)
    if free < needed:
        raise UsageError(
            f"{topology.name} needs {needed >> 20} MiB of memory, {free >> 20} MiB are available",
            fix="end something, or give the guests less memory",
        )
    for name, host in topology.hosts.items():
        if host.shm < topology.region_bytes():
            raise UsageError(
                f"the regions need {topology.region_bytes() >> 20} MiB of /dev/shm, "
                f"{name} has {host.shm >> 20} MiB",
                where=f"hosts.{name}.shm",
                fix=f"set shm to at least {topology.region_bytes() >> 20} MiB",
            )
