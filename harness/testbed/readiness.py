"""Is this machine a host, and free for this testbed? Asked before anything is made on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from harness import config
from harness.errors import UsageError
from harness.grants.region import SHM, TOOL
from harness.guests.place import Place
from harness.hosts.base import Host
from harness.model import naming
from harness.model.topology import Topology
from harness.testbed import claim
from harness.testbed.capacity import QEMU_OVERHEAD
from harness.testbed.record import TestbedRecord
from harness.virt.domain import Domain

OUR_TOOL = config.REPOSITORY / "guest-agent" / "build" / "domsock"
PROVISION = "testbed provision -i INVENTORY"


def reach(hosts: Iterable[Host]) -> None:
    """See that we may log in everywhere, and be root there. Raises UsageError, TestbedError."""
    for host in hosts:
        done = host.run(["id", "-u"], check=False)
        if done.stdout.strip() != "0":
            raise UsageError(
                f"we cannot be root on {host.name}",
                why=done.stderr.strip() or f"`id -u` says {done.stdout.strip()}",
                fix="let the login use sudo without a password, or log in as root",
            )


def check(wanted: TestbedRecord, hosts: Iterable[Host]) -> None:
    """Raises UsageError for the first thing that a host lacks. Touches nothing."""
    hosts = list(hosts)
    reach(hosts)
    for host in hosts:
        check_provisioned(host)
        claim.refuse_taken(host)
        _check_room(host, wanted.topology)
        _check_names(host, wanted)


def check_provisioned(host: Host) -> None:
    """Raises UsageError when it has no agent, or another than ours."""
    there = host.run(["sha256sum", TOOL], check=False).stdout.split()
    if not there:
        raise UsageError(f"{host.name} is no host yet", why=f"it has no {TOOL}", fix=PROVISION)
    if there[0] != hashlib.sha256(Path(OUR_TOOL).read_bytes()).hexdigest():
        raise UsageError(f"{host.name} was provisioned by another version", fix=PROVISION)


def room(host: Host) -> tuple[int, int]:
    """Bytes that are free in /dev/shm, and bytes of memory that a guest could have."""
    ask = f"df -B1 --output=avail {SHM}; grep MemAvailable /proc/meminfo"
    words = host.run(["sh", "-c", ask]).stdout.split()
    return int(words[1]), int(words[3]) << 10


def _check_room(host: Host, topology: Topology) -> None:
    """Memory for the guests that start there, and /dev/shm for every pair that can meet there."""
    shm, memory = room(host)
    regions = topology.region_bytes_on(host.name)
    guests = [g.memory + QEMU_OVERHEAD for g in topology.guests.values() if g.host == host.name]
    for what, free, needed in ((SHM, shm, regions), ("memory", memory, sum(guests) + regions)):
        if free < needed:
            raise UsageError(
                f"{host.name} has {free >> 20} MiB of {what}, and needs {needed >> 20} MiB",
                fix="make fewer or smaller guests and grants, or give the host more",
            )


def _check_names(host: Host, wanted: TestbedRecord) -> None:
    """A guest that another user of the host runs under the same name would be taken for ours."""
    place = Place.reach(host)
    try:
        for guest in wanted.topology.guests:
            domain = Domain.named(place.connection, guest)
            ours = naming.domain_uuid(wanted.testbed_id, guest)
            if domain is not None and domain.uuid != ours:
                raise UsageError(
                    f"{host.name} runs another domain named {guest}", fix="rename the guest"
                )
    finally:
        place.connection.close()
