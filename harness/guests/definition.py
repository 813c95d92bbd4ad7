"""From a topology's guest to the domain that libvirt runs: pure."""

from __future__ import annotations

from collections.abc import Iterable

from harness.guests.parts import Parts
from harness.images.image import INITRD, KERNEL, Image, command_line, identity
from harness.model import naming
from harness.model.topology import Topology
from harness.virt.emulator import Emulator
from harness.virt.xml import Card, GuestDefinition, KernelBoot

GUEST_AGENT_CHANNEL = "org.qemu.guest_agent.0"
IMAGES = "/var/lib/domsock/images"
CONSOLE_LOGS = "/var/log/libvirt/qemu"


def image_folder(digest: str) -> str:
    """Where an image lies on every host."""
    return f"{IMAGES}/{digest}"


def image_paths(image: Image) -> tuple[str, str]:
    """Where kernel and initrd of an image lie on every host; no initrd has no place."""
    folder = image_folder(image.digest)
    return f"{folder}/{KERNEL}", f"{folder}/{INITRD}" if image.initrd else ""


def console_log(guest: str) -> str:
    """Where the host keeps what the guest's console prints."""
    return f"{CONSOLE_LOGS}/{guest}-console.log"


def define(
    topology: Topology,
    name: str,
    *,
    testbed_id: str,
    parts: Parts,
    kvm: bool,
    emulator: Emulator,
) -> GuestDefinition:
    """The definition of one guest."""
    spec, who = topology.guests[name], _identity(topology, name)
    return GuestDefinition(
        name=name,
        uuid=naming.domain_uuid(testbed_id, name),
        kvm=kvm,
        memory=spec.memory,
        vcpus=spec.vcpus,
        console_log=console_log(name),
        channels=(naming.CTL_CHANNEL, naming.DATA_CHANNEL, GUEST_AGENT_CHANNEL),
        kernel=_kernel(parts.kernel, who, spec.append) if parts.kernel else None,
        oem_strings=() if parts.kernel else who,
        disks=tuple(planned.device for planned in parts.disks),
        cards=_cards(topology, name, testbed_id),
        machine=emulator.machine(spec.machine),
        cpu_model=spec.cpu or "",
        regions=tuple(grant.size for grant in topology.grants if name in grant.pair),
        emulator=emulator.path,
    )


def _identity(topology: Topology, name: str) -> tuple[str, ...]:
    addresses = (f"{found}/{naming.GUEST_PREFIX}" for found in topology.addresses_of(name))
    return identity(name=name, domain_id=topology.guest_id(name), address=",".join(addresses))


def _kernel(image: Image, who: Iterable[str], extra: str) -> KernelBoot:
    kernel, initrd = image_paths(image)
    return KernelBoot(kernel, initrd, command_line(image, who, extra))


def _cards(topology: Topology, name: str, testbed_id: str) -> tuple[Card, ...]:
    domain_id, networks = topology.guest_id(name), topology.networks_of(name)
    indexes = [topology.network_index(network) for network in networks]
    return tuple(
        Card(
            naming.guest_bridge(index),
            naming.guest_mac(testbed_id, domain_id, index),
            topology.networks[network].mtu,
        )
        for network, index in zip(networks, indexes, strict=True)
    )
