"""Domain XML: one pure function per kind of device.

Element and attribute names are libvirt's (https://libvirt.org/formatdomain.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

MIB = 1 << 20


@dataclass(frozen=True)
class GuestDefinition:
    """Everything a domain is made from. `memory` in bytes; paths are the host's."""

    name: str
    kvm: bool
    memory: int
    vcpus: int
    kernel: str
    initrd: str
    append: str
    console_log: str
    channels: tuple[str, ...]
    mac: str
    bridge: str
    mtu: int
    emulator: str = "/usr/bin/qemu-system-x86_64"


def element(tag: str, text: str = "", /, **attributes: str) -> Element:
    """An element with attributes and text."""
    made = ET.Element(tag, {key.rstrip("_"): value for key, value in attributes.items()})
    made.text = text or None
    return made


def nest(parent: Element, *children: Element) -> Element:
    """The parent, with the children in it."""
    parent.extend(children)
    return parent


def cpu(kvm: bool) -> Element:
    """The host's CPU under KVM; under TCG everything it emulates except ERMS.

    TCG runs `rep movsb` byte by byte, and a guest that sees ERMS copies with nothing else.
    """
    if kvm:
        return element("cpu", mode="host-passthrough", migratable="on")
    return nest(element("cpu", mode="maximum"), element("feature", policy="disable", name="erms"))


def vcpu(count: int, kvm: bool) -> Element:
    """The virtual CPUs. Under TCG at least two possible ones.

    With one, QEMU leaves out memory barriers and atomic instructions, and a ring shared with
    another guest loses wake-ups.
    """
    possible = count if kvm else max(2, count)
    return element("vcpu", str(possible), current=str(count))


def boot(kernel: str, initrd: str, append: str) -> Element:
    """Direct kernel boot on machine type `pc`, whose PCI bus has room for any region."""
    return nest(
        element("os"),
        element("type", "hvm", arch="x86_64", machine="pc"),
        element("kernel", kernel),
        element("initrd", initrd),
        element("cmdline", append),
    )


def serial_console(log: str) -> tuple[Element, Element]:
    """A pty to talk to, with everything it prints also appended to `log` on the host."""
    serial = nest(
        element("serial", type="pty"),
        element("log", file=log, append="on"),
        element("target", port="0"),
    )
    return serial, nest(element("console", type="pty"), element("target", type="serial", port="0"))


def channel(name: str) -> Element:
    """A virtio-serial port whose host end is a UNIX socket that libvirt opens for us."""
    return nest(element("channel", type="unix"), element("target", type="virtio", name=name))


def interface(bridge: str, mac: str, mtu: int) -> Element:
    """A virtio network card on a bridge of the host.

    The guest learns `mtu` from the device: what goes to another host has a tunnel's header more.
    """
    return nest(
        element("interface", type="bridge"),
        element("mac", address=mac),
        element("source", bridge=bridge),
        element("model", type="virtio"),
        element("mtu", size=str(mtu)),
    )


def shmem(region: str, size: int, alias: str) -> Element:
    """A region as an ivshmem-plain device; `region` is its file's name in /dev/shm."""
    return nest(
        element("shmem", name=region),
        element("model", type="ivshmem-plain"),
        element("size", str(size // MIB), unit="M"),
        element("alias", name=alias),
    )


def tcg_features() -> Element:
    """A translation cache of 32 MiB: saves memory, and our guests fit in it."""
    return nest(
        element("features"),
        element("acpi"),
        element("apic"),
        nest(element("tcg"), element("tb-cache", "32", unit="MiB")),
    )


def features(kvm: bool) -> Element:
    """ACPI (hot-plug needs it) and APIC, and TCG's own settings where it runs."""
    return nest(element("features"), element("acpi"), element("apic")) if kvm else tcg_features()


def domain(guest: GuestDefinition) -> str:
    """The whole domain.

    It has no virtio-rng: RDRAND fills the guest's entropy at once, under KVM and under TCG, and
    each PCI device more costs 0.15 s of boot under TCG.
    """
    devices = nest(
        element("devices"),
        element("emulator", guest.emulator),
        *serial_console(guest.console_log),
        *(channel(name) for name in guest.channels),
        interface(guest.bridge, guest.mac, guest.mtu),
        element("memballoon", model="none"),
    )
    root = nest(
        element("domain", type="kvm" if guest.kvm else "qemu"),
        element("name", guest.name),
        element("memory", str(guest.memory // MIB), unit="MiB"),
        vcpu(guest.vcpus, guest.kvm),
        boot(guest.kernel, guest.initrd, guest.append),
        features(guest.kvm),
        cpu(guest.kvm),
        element("on_poweroff", "destroy"),
        element("on_reboot", "destroy"),
        element("on_crash", "destroy"),
        devices,
    )
    return text(root)


def text(root: Element) -> str:
    """An element as a string."""
    return ET.tostring(root, encoding="unicode")


def attached_regions(domain_xml: str) -> dict[str, str]:
    """The regions a domain has: alias → file name."""
    devices = ET.fromstring(domain_xml).iterfind("./devices/shmem")
    return {
        (alias.get("name", "") if (alias := shm.find("alias")) is not None else ""): shm.get(
            "name", ""
        )
        for shm in devices
    }


def tap_names(domain_xml: str) -> list[str]:
    """The host's interfaces that are the domain's network cards."""
    targets = ET.fromstring(domain_xml).iterfind("./devices/interface/target")
    return [target.get("dev", "") for target in targets]
