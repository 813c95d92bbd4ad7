"""Bring a testbed up: from hosts that answer SSH to guests that share memory. Runs inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from harness import config
from harness.events import EventLog
from harness.guests import definition, disk_room, disks, parts
from harness.guests.guest import Guest
from harness.guests.parts import Parts
from harness.guests.place import Place
from harness.hosts import network
from harness.hosts.base import Host
from harness.hosts.network import GuestNetwork
from harness.hosts.provision import provision
from harness.hosts.ssh import SshHost
from harness.images import catalog
from harness.images.image import Image
from harness.images.kernels import OwnKernels
from harness.images.micro import RECIPE
from harness.model import naming
from harness.model.topology import MICRO, Topology
from harness.testbed import seeds
from harness.testbed.probe import choose_accelerator
from harness.testbed.record import TestbedRecord
from harness.testbed.testbed import Testbed, reach
from harness.virt import cpu
from harness.virt.accelerator import Name
from harness.virt.emulator import DEFAULT, Emulator, ask, in_common

AGENT = config.REPOSITORY / "guest-agent" / "build"
T = TypeVar("T")
R = TypeVar("R")


def apply(
    record: TestbedRecord,
    hosts: Sequence[SshHost],
    image: Image,
    events: EventLog,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Testbed:
    """Make the hosts, boot the guests, share the regions. Gives the testbed that stands.

    `image` is `micro`; guests that bring a kernel or a disk of their own boot that. `more` are
    further variables of playbooks/host.yml.
    """
    topology = record.topology
    if record.machines is None:
        variables = {**_variables(record), **more}
        provision([host.target for host in hosts], variables, events, record.folder)
    else:
        for made_network in guest_networks(record):  # hosts they are already
            network.join(hosts, record.testbed_id, made_network)
    made = find_parts(record, image, events)
    places = reach(topology, hosts)
    with events.span("images", digest=image.digest), ThreadPoolExecutor(1) as beside:
        learned = beside.submit(learn_emulators, places)
        require_disk_room(record, hosts, made)
        place_images(hosts, image, made)
    emulators = ask_emulators(topology, hosts)  # says best what is wrong with one
    learned.result()
    accelerator = choose_accelerator(places, emulators, image, events)
    chosen = {"accelerator": accelerator, "common_cpu": common_cpu(record, places, accelerator)}
    record = record.model_copy(update=chosen)
    guests = boot(record, places, made, emulators, events)
    boot_ms = {name: round(guest.boot_ms or 0.0, 1) for name, guest in guests.items()}
    record = record.model_copy(update={"boot_ms": boot_ms})
    testbed = Testbed(record, places, guests, events)
    testbed.routes.tell()
    testbed.domains.tell([*testbed.guests.values(), *testbed.hosts.values()])
    for grant in testbed.grants:
        with events.span("link", grant=grant.name):
            grant.introduce()
        if grant.should_share:
            grant.share()
    record.model_copy(update={"state": "up"}).write()
    return testbed


def guest_networks(record: TestbedRecord) -> list[GuestNetwork]:
    """The guests' networks. On real machines their VXLAN numbers are this testbed's alone."""
    own = naming.network_id(record.testbed_id)
    first = naming.FIRST_VNI if record.machines is None else own
    return [
        GuestNetwork(
            naming.guest_bridge(index), naming.guest_tunnel(index), first + index, network.mtu
        )
        for index, network in enumerate(record.topology.networks.values())
    ]


def _variables(record: TestbedRecord) -> dict[str, Any]:
    """What the playbook is told."""
    return {
        "testbed": record.testbed_id,
        "isolated": True,
        "agent_binary": str(AGENT),
        "guest_networks": [asdict(made) for made in guest_networks(record)],
    }


def common_cpu(record: TestbedRecord, places: Mapping[str, Place], accelerator: Name) -> str:
    """What unlike machines have in common. Emulated CPUs are alike, and so are a lab's hosts;
    and a guest of the topology may name its own.
    """
    named = any(guest.cpu for guest in record.topology.guests.values())
    if record.machines is None or accelerator != "kvm" or len(places) < 2 or named:
        return ""
    return cpu.common([place.connection for place in places.values()], accelerator)


def find_parts(record: TestbedRecord, micro: Image, events: EventLog) -> dict[str, Parts]:
    """What each guest is made from."""
    kernels = OwnKernels(config.REPOSITORY / RECIPE, config.cache_dir())
    images = {MICRO: micro, **catalog.others(record.topology, events)}
    told = seeds.build(record)
    return {
        name: parts.find(record.testbed_id, name, guest, images, kernels, told.get(name))
        for name, guest in record.topology.guests.items()
    }


def require_disk_room(
    record: TestbedRecord, hosts: Sequence[Host], made: Mapping[str, Parts]
) -> None:
    """Raises UsageError when the hosts' disks cannot hold those of the guests."""
    homes = {
        host.name: [
            disk
            for name, part in made.items()
            if record.topology.guests[name].host == host.name
            for disk in part.disks
        ]
        for host in hosts
    }
    if not any(homes.values()):
        return
    lab = record.machines is None
    larger = f"set TESTBED_STATE to a folder on a larger disk than that of {record.folder}"
    fix = f"ask for smaller disks, or {larger if lab else 'make room there'}"
    disk_room.require(hosts, homes, one_machine=lab, fix=fix)


def place_images(hosts: Sequence[Host], micro: Image, made: Mapping[str, Parts]) -> None:
    """Put kernels and disk images where the guests' definitions expect them."""
    kernels = {part.kernel for part in made.values() if part.kernel} | {micro}

    def place(host: Host) -> None:
        for image in kernels:
            place_image(host, image)

    side_by_side(place, hosts)
    disks.put_images(hosts, [disk for part in made.values() for disk in part.disks])


def place_image(host: Host, image: Image) -> None:
    """Put kernel and initrd where the definition expects them."""
    kernel, initrd = definition.image_paths(image)
    host.run(["mkdir", "-p", str(Path(kernel).parent), definition.CONSOLE_LOGS])
    host.put(image.kernel, kernel)
    if image.initrd:
        host.put(image.initrd, initrd)


def ask_emulators(topology: Topology, hosts: Sequence[Host]) -> dict[str, Emulator]:
    """The QEMU of each host. Asked only when the topology names one: else all have the same."""
    if not any(host.qemu for host in topology.hosts.values()):
        return {host.name: Emulator() for host in hosts}

    def asked(host: Host) -> Emulator:
        return ask(host.run, topology.hosts[host.name].qemu or DEFAULT, host.name)

    found = in_common(side_by_side(asked, hosts))
    return {host.name: emulator for host, emulator in zip(hosts, found, strict=True)}


def learn_emulators(places: Mapping[str, Place]) -> None:
    """libvirt asks each host's QEMU what it can while files are on their way."""
    side_by_side(lambda place: place.connection.learn(place.emulator), places.values())


def boot(
    record: TestbedRecord,
    places: Mapping[str, Place],
    made: Mapping[str, Parts],
    emulators: Mapping[str, Emulator],
    events: EventLog,
) -> dict[str, Guest]:
    """Start all guests side by side, and wait until each one's agent answers."""
    topology = record.topology

    def start(name: str) -> Guest:
        place = places[topology.guests[name].host]
        defined = definition.define(
            topology,
            name,
            testbed_id=record.testbed_id,
            parts=made[name],
            kvm=record.accelerator == "kvm",
            emulator=emulators[place.name],
        )
        defined = replace(defined, common_cpu=record.common_cpu)
        with events.span("boot", guest=name, host=place.name):
            for disk in made[name].disks:
                disks.make(place.host, disk)
            guest = Guest.create(defined, topology.guest_id(name), place, events)
            patience = made[name].boot_seconds(kvm=defined.kvm)
            guest.boot(made[name].advice, within=patience, services=made[name].whole)
        return guest

    names = list(topology.guests)
    return dict(zip(names, side_by_side(start, names), strict=True))


def side_by_side(action: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do it for all at once; the first error is raised after all have ended."""
    work = list(items)
    with ThreadPoolExecutor(max(1, len(work))) as pool:
        futures = [pool.submit(action, item) for item in work]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]
    return [future.result() for future in futures]
