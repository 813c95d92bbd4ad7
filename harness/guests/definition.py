"""From a topology's guest to the domain that libvirt runs: pure."""

from __future__ import annotations

from harness.model import naming
from harness.model.topology import Topology
from harness.virt.xml import GuestDefinition

GUEST_AGENT_CHANNEL = "org.qemu.guest_agent.0"
IMAGES = "/var/lib/domsock/images"
CONSOLE_LOGS = "/var/log/libvirt/qemu"
KERNEL_ARGUMENTS = "console=ttyS0 panic=-1"


def image_paths(digest: str) -> tuple[str, str]:
    """Where kernel and initrd of an image lie on every host."""
    return f"{IMAGES}/{digest}/kernel", f"{IMAGES}/{digest}/initrd"


def console_log(guest: str) -> str:
    """Where the host keeps what the guest's console prints."""
    return f"{CONSOLE_LOGS}/{guest}-console.log"


def define(
    topology: Topology, name: str, *, testbed_id: str, digest: str, kvm: bool, append: str
) -> GuestDefinition:
    """The definition of one guest."""
    spec, domain_id = topology.guests[name], topology.guest_id(name)
    kernel, initrd = image_paths(digest)
    identity = (
        f"domsock.name={name} domsock.id={domain_id} "
        f"domsock.ip={naming.guest_address(domain_id)}/16"
    )
    return GuestDefinition(
        name=name,
        kvm=kvm,
        memory=spec.memory,
        vcpus=spec.vcpus,
        kernel=kernel,
        initrd=initrd,
        append=" ".join(filter(None, (KERNEL_ARGUMENTS, append, identity))),
        console_log=console_log(name),
        channels=(naming.CTL_CHANNEL, GUEST_AGENT_CHANNEL),
        mac=naming.guest_mac(testbed_id, domain_id),
        bridge=naming.GUEST_BRIDGE,
    )
