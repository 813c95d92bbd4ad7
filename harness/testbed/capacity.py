"""Is there room? Asked before anything boots: a full /dev/shm kills a guest later."""

from __future__ import annotations

from harness.errors import UsageError
from harness.hosts.checks import Needs
from harness.model.topology import Topology

QEMU_OVERHEAD = 120 << 20
HOST_OVERHEAD = 96 << 20


def needs(topology: Topology) -> Needs:
    """What this topology takes of one machine, all hosts being its namespaces."""
    guests = sum(guest.memory + QEMU_OVERHEAD for guest in topology.guests.values())
    memory = guests + HOST_OVERHEAD * len(topology.hosts)
    return Needs(memory=memory, shm=topology.region_bytes())


def check(topology: Topology) -> None:
    """Raises UsageError when a host's own room for regions does not suffice."""
    for name, host in topology.hosts.items():
        wanted = topology.region_bytes_on(name)
        if host.shm < wanted:
            raise UsageError(
                f"the regions need {wanted >> 20} MiB of /dev/shm, {name} has {host.shm >> 20} MiB",
                where=f"hosts.{name}.shm",
                fix=f"set shm to at least {wanted >> 20} MiB",
            )
