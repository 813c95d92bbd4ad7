"""From a topology's guest to the domain that libvirt runs: pure."""

from __future__ import annotations

from harness.images.image import Image, command_line
from harness.model import naming
from harness.model.topology import Topology
from harness.virt.xml import Card, GuestDefinition, KernelBoot

GUEST_AGENT_CHANNEL = "org.qemu.guest_agent.0"
IMAGES = "/var/lib/domsock/images"
CONSOLE_LOGS = "/var/log/libvirt/qemu"


def image_paths(digest: str) -> tuple[str, str]:
    """Where kernel and initrd of an image lie on every host."""
    return f"{IMAGES}/{digest}/kernel", f"{IMAGES}/{digest}/initrd"


def console_log(guest: str) -> str:
    """Where the host keeps what the guest's console prints."""
    return f"{CONSOLE_LOGS}/{guest}-console.log"


def define(
    topology: Topology, name: str, *, testbed_id: str, image: Image, kvm: bool
) -> GuestDefinition:
    """The definition of one guest."""
    spec, domain_id = topology.guests[name], topology.guest_id(name)
    kernel, initrd = image_paths(image.digest)
    address = f"{naming.guest_address(domain_id)}/{naming.GUEST_PREFIX}"
    return GuestDefinition(
        name=name,
        kvm=kvm,
        memory=spec.memory,
        vcpus=spec.vcpus,
        kernel=KernelBoot(
            kernel, initrd, command_line(image, name=name, domain_id=domain_id, address=address)
        ),
        console_log=console_log(name),
        channels=(naming.CTL_CHANNEL, GUEST_AGENT_CHANNEL),
        cards=(
            Card(naming.GUEST_BRIDGE, naming.guest_mac(testbed_id, domain_id), naming.GUEST_MTU),
        ),
    )
