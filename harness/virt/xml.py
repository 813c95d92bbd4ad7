"""Domain XML: one pure function per kind of device.

Element and attribute names are libvirt's (https://libvirt.org/formatdomain.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

MIB = 1 << 20
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
SERIAL_CONTROLLERS = 1  # of all virtio-serial ports
DISK_LETTERS = "abcdefghijklmnopqrstuvwxyz"

DiskFormat = Literal["qcow2", "raw"]


@dataclass(frozen=True)
class KernelBoot:
    """A kernel that QEMU loads itself; there may be no initrd."""

    kernel: str
    initrd: str
    append: str


@dataclass(frozen=True)
class Disk:
    """A virtio disk. `shared` says that the other hosts see the very same file."""

    path: str
    format: DiskFormat
    shared: bool = False
    readonly: bool = False


@dataclass(frozen=True)
class Card:
    """A network card on a bridge of the host. `mtu` in bytes."""

    bridge: str
    mac: str
    mtu: int


@dataclass(frozen=True)
class GuestDefinition:
    """Everything a domain is made from. `memory` in bytes; paths are the host's.

    Without a `kernel` the firmware boots from the first disk, and hands the guest `oem_strings`. A
    NoCloud seed is a read-only raw disk behind the others. `regions` are the sizes of those that
    may be plugged in. `common_cpu` is the <cpu> that all hosts have in common; empty: the usual
    one.
    """

    name: str
    kvm: bool
    memory: int
    vcpus: int
    console_log: str
    channels: tuple[str, ...]
    uuid: str
    kernel: KernelBoot | None = None
    oem_strings: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    cards: tuple[Card, ...] = ()
    machine: str = "pc"
    cpu_model: str = ""
    regions: tuple[int, ...] = ()
    emulator: str = "/usr/bin/qemu-system-x86_64"
    common_cpu: str = ""


def element(tag: str, text: str = "", /, **attributes: str) -> Element:
    """An element with attributes and text."""
    made = ET.Element(tag, {key.rstrip("_"): value for key, value in attributes.items()})
    made.text = text or None
    return made


def nest(parent: Element, *children: Element) -> Element:
    """The parent, with the children in it."""
    parent.extend(children)
    return parent


def cpu(kvm: bool, model: str = "") -> Element:
    """The named model; else the host's CPU under KVM, and under TCG everything it emulates.

    Except ERMS: TCG runs `rep movsb` byte by byte, and a guest that sees it copies with nothing
    else.
    """
    if model:
        return nest(element("cpu", mode="custom", match="exact"), element("model", model))
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


def boot_kernel(machine: str, kernel: KernelBoot) -> Element:
    """Direct kernel boot."""
    given = {"kernel": kernel.kernel, "initrd": kernel.initrd, "cmdline": kernel.append}
    parts = [element(tag, text) for tag, text in given.items() if text]
    return nest(element("os"), _machine_type(machine), *parts)


def boot_disk(machine: str) -> Element:
    """The firmware boots from the first disk; its SMBIOS tables hold the OEM strings, if any."""
    smbios = element("smbios", mode="sysinfo")
    return nest(element("os"), _machine_type(machine), element("boot", dev="hd"), smbios)


def oem_strings(given: Iterable[str]) -> Element:
    """Words for the guest's operating system, in its SMBIOS tables; they go along in a move."""
    entries = (element("entry", text) for text in given)
    return nest(element("sysinfo", type="smbios"), nest(element("oemStrings"), *entries))


def _machine_type(machine: str) -> Element:
    return element("type", "hvm", arch="x86_64", machine=machine)


def disk(given: Disk, index: int) -> Element:
    """A virtio disk: /dev/vda is the one of index 0.

    A shared one bypasses the host's page cache: after a move another host reads what this one
    wrote. A read-only one (a NoCloud seed, found by its label) is no CD, because kernels made for
    clouds have no driver for one.
    """
    cache = {"cache": "none"} if given.shared else {}
    made = nest(
        element("disk", type="file", device="disk"),
        element("driver", name="qemu", type=given.format, discard="unmap", **cache),
        element("source", file=given.path),
        element("target", dev=disk_target(index), bus="virtio"),
    )
    return nest(made, element("readonly")) if given.readonly else made


def disk_target(index: int) -> str:
    """The name of a disk's target: ``vda``, ``vdb`` and so on."""
    return f"vd{DISK_LETTERS[index]}"


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


def interface(card: Card) -> Element:
    """A virtio network card.

    The guest learns the MTU from the device: what goes to another host has a tunnel's header more.
    """
    return nest(
        element("interface", type="bridge"),
        element("mac", address=card.mac),
        element("source", bridge=card.bridge),
        element("model", type="virtio"),
        element("mtu", size=str(card.mtu)),
    )


def shmem(region: str, size: int, alias: str, port: int | None = None) -> Element:
    """A region as an ivshmem-plain device; `region` is its file's name in /dev/shm.

    `port` is the root port it goes into; machine type `pc` has none and needs none.
    """
    made = nest(
        element("shmem", name=region),
        element("model", type="ivshmem-plain"),
        element("size", str(size // MIB), unit="M"),
        element("alias", name=alias),
    )
    if port is None:
        return made
    return nest(made, element("address", type="pci", bus=f"0x{port:02x}", slot="0x00"))


def root_ports(machine: str, devices: int, regions: tuple[int, ...]) -> list[Element]:
    """On `q35` a PCI Express port for each device, and behind them one for each region.

    libvirt fills them from the first on; what is left can be plugged into.
    """
    count = devices + len(regions) if regions and is_q35(machine) else 0
    return [
        element("controller", type="pci", index=str(index), model="pcie-root-port")
        for index in range(1, count + 1)
    ]


def port_rooms(devices: int, regions: tuple[int, ...]) -> Element:
    """Address space for the ports of `root_ports` that regions go into.

    The firmware gives an empty port 1 or 2 MiB, and aligns what is asked for to no more than
    that. In twice its size a region finds a place that is aligned to its size. All have room for
    the largest, whichever goes where.
    """
    overrides, size = element("qemu:override"), str(2 * max(regions))
    for index in range(devices + 1, devices + 1 + len(regions)):
        room = element("qemu:property", name="pref64-reserve", type="unsigned", value=size)
        device = element("qemu:device", alias=f"pci.{index}")
        nest(overrides, nest(device, nest(element("qemu:frontend"), room)))
    return overrides


def is_q35(machine: str) -> bool:
    """Whether it is a q35, by alias or versioned name."""
    return "q35" in machine


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
    each PCI device more costs 0.15 s of boot under TCG. It has no USB either, which libvirt would
    give it: on q35 that took the root port of a region.
    """
    express = SERIAL_CONTROLLERS + len(guest.disks) + len(guest.cards)
    devices = nest(
        element("devices"),
        element("emulator", guest.emulator),
        element("controller", type="usb", model="none"),
        *root_ports(guest.machine, express, guest.regions),
        *serial_console(guest.console_log),
        *(channel(name) for name in guest.channels),
        *(disk(given, index) for index, given in enumerate(guest.disks)),
        *(interface(card) for card in guest.cards),
        element("memballoon", model="none"),
    )
    root = nest(
        element("domain", type="kvm" if guest.kvm else "qemu"),
        element("name", guest.name),
        element("uuid", guest.uuid),
        element("memory", str(guest.memory // MIB), unit="MiB"),
        vcpu(guest.vcpus, guest.kvm),
        *_boot(guest),
        features(guest.kvm),
        ET.fromstring(guest.common_cpu) if guest.common_cpu else cpu(guest.kvm, guest.cpu_model),
        element("on_poweroff", "destroy"),
        element("on_reboot", "destroy"),
        element("on_crash", "destroy"),
        devices,
    )
    if guest.regions and is_q35(guest.machine):
        root.set("xmlns:qemu", QEMU_NAMESPACE)
        nest(root, port_rooms(express, guest.regions))
    return text(root)


def _boot(guest: GuestDefinition) -> list[Element]:
    if guest.kernel:
        return [boot_kernel(guest.machine, guest.kernel)]
    return [oem_strings(guest.oem_strings), boot_disk(guest.machine)]


def text(root: Element) -> str:
    """An element as a string."""
    return ET.tostring(root, encoding="unicode")


def content(element_xml: str) -> str:
    """The text that an element holds."""
    return ET.fromstring(element_xml).text or ""


def attached_regions(domain_xml: str) -> dict[str, str]:
    """The regions a domain has: alias → file name."""
    devices = ET.fromstring(domain_xml).iterfind("./devices/shmem")
    return {
        (alias.get("name", "") if (alias := shm.find("alias")) is not None else ""): shm.get(
            "name", ""
        )
        for shm in devices
    }


@dataclass(frozen=True)
class LiveDisk:
    """A disk as a running domain has it, and the image it is a layer over, if any."""

    target: str
    path: str
    format: str
    readonly: bool
    image: str
    image_format: str


def disks(domain_xml: str) -> list[LiveDisk]:
    """The disks a domain has."""
    return [_live_disk(found) for found in ET.fromstring(domain_xml).iterfind("./devices/disk")]


def _live_disk(found: Element) -> LiveDisk:
    def attribute(path: str, name: str) -> str:
        part = found.find(path)
        return "" if part is None else part.get(name, "")

    return LiveDisk(
        target=attribute("target", "dev"),
        path=attribute("source", "file"),
        format=attribute("driver", "type"),
        readonly=found.find("readonly") is not None,
        image=attribute("backingStore/source", "file"),
        image_format=attribute("backingStore/format", "type"),
    )


def with_emulator(domain_xml: str, path: str) -> str:
    """The same domain, run by another QEMU."""
    root = ET.fromstring(domain_xml)
    for emulator in root.iterfind("./devices/emulator"):
        emulator.text = path
    return text(root)


def has_root_ports(domain_xml: str) -> bool:
    """Whether its devices sit in root ports: a `q35`."""
    return "pcie-root-port" in domain_xml


def free_port(domain_xml: str) -> int | None:
    """The highest root port with nothing in it: lower ones have no room. None on a `pc`."""
    root = ET.fromstring(domain_xml)
    taken = {address.get("bus") for address in root.iterfind("./devices/*/address[@type='pci']")}
    ports = root.iterfind("./devices/controller[@model='pcie-root-port']")
    indexes = [int(port.get("index", "0")) for port in ports]
    return max((n for n in indexes if f"0x{n:02x}" not in taken), default=None)


def channel_socket(domain_xml: str, name: str) -> str:
    """The host's end of that virtio-serial port; empty when the domain has no such port."""
    for found in ET.fromstring(domain_xml).iterfind("./devices/channel[@type='unix']"):
        target, source = found.find("target"), found.find("source")
        if target is not None and source is not None and target.get("name") == name:
            return source.get("path", "")
    return ""


def tap_names(domain_xml: str) -> list[str]:
    """The host's interfaces that are the domain's network cards."""
    targets = ET.fromstring(domain_xml).iterfind("./devices/interface/target")
    return [target.get("dev", "") for target in targets]
