"""Are these machines good hosts? Everything is tried as a testbed would use it, and taken away."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import permutations

from harness import clock
from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.region import SHM
from harness.guests.place import Place
from harness.hosts.base import Host
from harness.hosts.checks import Check, attempt
from harness.hosts.ssh import SshHost
from harness.images.image import Image
from harness.testbed import pairs, readiness
from harness.testbed.apply import side_by_side
from harness.testbed.capacity import QEMU_OVERHEAD
from harness.testbed.probe import choose_accelerator
from harness.testbed.region_probe import RegionProbe
from harness.virt import cpu
from harness.virt.emulator import Emulator

MIB = 1 << 20
PROBE_MEMORY = 128 * MIB + QEMU_OVERHEAD
SKEW_SECONDS = 1.0  # certificates and logs bear that much
PROVISION = readiness.PROVISION


def examine(hosts: Sequence[SshHost], image: Image, events: EventLog) -> list[Check]:
    """Every finding, host by host, then pair by pair.

    A host that cannot be logged in to, or is no host yet, is asked nothing more.
    """
    found, good = list[Check](), list[SshHost]()
    for host in hosts:
        checks = _look(host)
        found += checks
        if all(check.ok for check in checks):
            good.append(host)
    found += _versions(good) + _probe(good, image, events)
    for one, other in permutations(good, 2):
        with events.span("pair", one=one.name, other=other.name):
            found += pairs.checks(one, other, secrets.randbelow(1 << 24))
    return found


def _look(host: SshHost) -> list[Check]:
    """Whether it can be reached, is a host, and has room and the right time."""

    def logged_in() -> str:
        readiness.reach([host])
        target = host.target
        return f"root by {target.user}@{target.address}:{target.port}"

    first = attempt(f"{host.name}: login", "", logged_in)
    if not first.ok:
        return [first]
    provisioned = attempt(f"{host.name}: host", PROVISION, lambda: _provisioned(host))
    return [first, provisioned, *_room(host), _time(host)]


def _provisioned(host: Host) -> str:
    readiness.check_provisioned(host)
    return host.run(["uname", "-mr"]).stdout.strip()


def _room(host: Host) -> list[Check]:
    shm, memory = readiness.room(host)
    wanted = ((SHM, shm, MIB), ("memory", memory, PROBE_MEMORY))
    return [
        Check(
            f"{host.name}: {what}",
            free >= needed,
            f"{free // MIB} MiB free, a probe needs {needed // MIB}",
            "QEMU dies when it runs out",
            "end what takes it, or give the host more",
        )
        for what, free, needed in wanted
    ]


def _time(host: Host) -> Check:
    """Its clock beside ours; half of the round trip is nobody's fault."""
    before = clock.utc().timestamp()
    there = float(host.run(["date", "+%s.%N"]).stdout)
    after = clock.utc().timestamp()
    skew = max(0.0, before - there, there - after)
    found = f"{skew:.2f} s from ours" if skew else f"as ours, within {after - before:.2f} s"
    fix = f"let both follow the same time server: chronyc makestep on {host.name}"
    return Check(f"{host.name}: clock", skew <= SKEW_SECONDS, found, "logs are put in order", fix)


def _versions(hosts: Sequence[SshHost]) -> list[Check]:
    """libvirt and QEMU of each; and whether they are the same everywhere."""
    found, seen = list[Check](), set[str]()
    for host in hosts:
        check = attempt(f"{host.name}: libvirt", PROVISION, lambda host=host: _version(host))  # type: ignore[misc]
        found.append(check)
        if check.ok:
            seen.add(check.found)
    if len(seen) > 1:
        note = "they differ: a guest may move only to the same QEMU or a newer one"
        found.append(Check("all: versions", True, note))
    return found


def _version(host: Host) -> str:
    place = Place.reach(host)
    try:
        numbers = place.connection.raw.getLibVersion(), place.connection.raw.getVersion()
        return "libvirt {}, QEMU {}".format(*map(_dotted, numbers))
    finally:
        place.connection.close()


def _dotted(number: int) -> str:
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def _probe(hosts: Sequence[SshHost], image: Image, events: EventLog) -> list[Check]:
    """A probe guest on each, side by side: the accelerator, then a region it reads and writes."""

    def tried(host: SshHost) -> list[Check]:
        with events.span("probe", host=host.name):
            try:
                return RegionProbe(host, image).checks()
            except TestbedError as error:
                return [Check(f"{host.name}: probe", False, str(error), fix=PROVISION)]

    found = [check for checks in side_by_side(tried, hosts) for check in checks]
    if len(hosts) > 1:
        why = "under KVM, guests move between unlike hosts by it"
        fix = cpu.FIX
        found.append(attempt("all: CPU model", fix, lambda: _common_cpu(hosts, image), why))
    return found


def _common_cpu(hosts: Sequence[SshHost], image: Image) -> str:
    places = {host.name: Place.reach(host) for host in hosts}
    try:
        emulators = {host.name: Emulator() for host in hosts}
        name = choose_accelerator(places, emulators, image, EventLog())
        connections = [place.connection for place in places.values()]
        return f"{cpu.name_of(cpu.common(connections, name))} under {name}"
    finally:
        for place in places.values():
            place.connection.close()
