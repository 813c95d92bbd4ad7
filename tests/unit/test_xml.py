"""Domain XML: the facts that keep a guest alive are in it."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.virt import xml

GUEST = xml.GuestDefinition(
    name="g1",
    uuid="0c9b8f9e-3f5f-5f0e-9d8e-5a2f3f0f7a11",
    kvm=False,
    memory=128 << 20,
    vcpus=1,
    kernel=xml.KernelBoot("/k", "/i", "console=ttyS0"),
    console_log="/var/log/g1.log",
    channels=("domsock.ctl",),
    cards=(xml.Card("guests0", "52:54:00:00:00:03", 1450),),
)


def parsed(**changes: Any) -> ET.Element:
    return ET.fromstring(xml.domain(replace(GUEST, **changes)))


def attributes(root: ET.Element, path: str) -> list[dict[str, str]]:
    return [found.attrib for found in root.iterfind(path)]


def test_under_tcg_there_are_two_possible_cpus_and_no_erms() -> None:
    root = parsed()
    vcpu = root.find("vcpu")
    assert vcpu is not None and vcpu.text == "2" and vcpu.get("current") == "1"
    feature = root.find("cpu/feature")
    assert feature is not None and feature.attrib == {"policy": "disable", "name": "erms"}
    assert root.get("type") == "qemu"


def test_under_kvm_the_guest_sees_the_hosts_cpu() -> None:
    root = parsed(kvm=True)
    cpu = root.find("cpu")
    assert cpu is not None and cpu.get("mode") == "host-passthrough"
    assert root.get("type") == "kvm"
    assert root.find("features/tcg") is None


def test_the_console_is_logged_on_the_host() -> None:
    log = parsed().find("devices/serial/log")
    assert log is not None and log.attrib == {"file": "/var/log/g1.log", "append": "on"}


def test_regions_are_found_by_alias() -> None:
    device = xml.text(xml.shmem("domsock.t.g1.g2.1", 32 << 20, "ua-g2"))
    assert '<size unit="M">32</size>' in device
    assert xml.attached_regions(f"<domain><devices>{device}</devices></domain>") == {
        "ua-g2": "domsock.t.g1.g2.1"
    }


def test_a_guest_has_no_device_that_nobody_needs() -> None:
    assert parsed().find("devices/rng") is None


def test_a_kernel_without_an_initrd_is_booted_as_it_is() -> None:
    os = parsed(kernel=xml.KernelBoot("/k", "", "")).find("os")
    assert os is not None and [part.tag for part in os] == ["type", "kernel"]


def test_without_a_kernel_the_first_disk_boots() -> None:
    root = parsed(kernel=None, disks=(xml.Disk("/d", "qcow2"),), machine="q35")
    assert attributes(root, "os/boot") == [{"dev": "hd"}]
    assert attributes(root, "os/type") == [{"arch": "x86_64", "machine": "q35"}]
    assert root.find("os/kernel") is None


def test_a_guest_that_its_firmware_boots_is_told_who_it_is_by_smbios() -> None:
    told = ("domsock.name=g1", "domsock.ip=10.99.0.3/16,10.100.0.3/16")
    root = parsed(kernel=None, disks=(xml.Disk("/d", "qcow2"),), oem_strings=told)
    assert attributes(root, "os/smbios") == [{"mode": "sysinfo"}]
    assert attributes(root, "sysinfo") == [{"type": "smbios"}]
    assert tuple(entry.text for entry in root.iterfind("sysinfo/oemStrings/entry")) == told
    assert parsed().find("sysinfo") is None and parsed().find("os/smbios") is None


def test_disks_are_named_in_their_order_and_a_seed_is_read_only() -> None:
    seed = xml.Disk("/seed.iso", "raw", readonly=True)
    root = parsed(disks=(xml.Disk("/a", "qcow2"), seed))
    assert [t["dev"] for t in attributes(root, "devices/disk/target")] == ["vda", "vdb"]
    assert [s["file"] for s in attributes(root, "devices/disk/source")] == ["/a", "/seed.iso"]
    assert [found.find("readonly") is not None for found in root.iterfind("devices/disk")] == [
        False,
        True,
    ]


def test_only_a_shared_disk_bypasses_the_page_cache() -> None:
    root = parsed(disks=(xml.Disk("/a", "raw"), xml.Disk("/b", "raw", shared=True)))
    assert [d.get("cache") for d in attributes(root, "devices/disk/driver")] == [None, "none"]


def test_a_guest_may_have_any_number_of_cards() -> None:
    two = (*GUEST.cards, xml.Card("guests1", "52:54:00:00:01:03", 1450))
    assert [s["bridge"] for s in attributes(parsed(cards=two), "devices/interface/source")] == [
        "guests0",
        "guests1",
    ]
    assert parsed(cards=()).find("devices/interface") is None


REGIONS = (32 << 20, 16 << 20)


def test_a_q35_has_a_port_with_room_for_each_region_behind_those_of_its_devices() -> None:
    root = parsed(machine="pc-q35-7.2", regions=REGIONS, disks=(xml.Disk("/a", "raw"),))
    ports = [c["index"] for c in attributes(root, "devices/controller[@model='pcie-root-port']")]
    assert ports == ["1", "2", "3", "4", "5"]
    namespace = f"{{{xml.QEMU_NAMESPACE}}}"
    devices = root.findall(f"{namespace}override/{namespace}device")
    rooms = root.findall(f"{namespace}override//{namespace}property")
    assert [device.get("alias") for device in devices] == ["pci.4", "pci.5"]
    assert [int(room.get("value", "")) for room in rooms] == [64 << 20] * 2


@pytest.mark.parametrize("changes", [{"regions": REGIONS}, {"machine": "q35"}])
def test_nobody_else_has_ports(changes: dict[str, Any]) -> None:
    written = xml.domain(replace(GUEST, **changes))
    assert "pcie-root-port" not in written and "qemu:" not in written


def test_a_region_goes_into_the_highest_free_port() -> None:
    port = "<controller type='pci' model='pcie-root-port' index='{}'/>"
    taken = "<shmem><address type='pci' bus='0x03' slot='0x00'/></shmem>"
    domain = "<domain><devices>{}</devices></domain>"
    ports = "".join(port.format(index) for index in (1, 2, 3))
    assert xml.free_port(domain.format(ports + taken)) == 2
    assert xml.free_port(domain.format(taken)) is None
    address = xml.shmem("r", 1 << 20, "ua-r", 2).find("address")
    assert address is not None and address.get("bus") == "0x02"


LIVE_DISKS = """\
<domain><devices><emulator>/old</emulator>
<disk type='file'><driver name='qemu' type='qcow2'/><source file='/d/g1-0.qcow2'/>
<backingStore type='file'><format type='raw'/><source file='/d/images/x.raw'/></backingStore>
<target dev='vda'/></disk>
<disk type='file'><driver type='raw'/><source file='/seed'/><backingStore/><target dev='vdb'/>
<readonly/></disk></devices></domain>"""


def test_the_disks_of_a_running_domain_are_read() -> None:
    first, second = xml.disks(LIVE_DISKS)
    assert first == xml.LiveDisk("vda", "/d/g1-0.qcow2", "qcow2", False, "/d/images/x.raw", "raw")
    assert second == xml.LiveDisk("vdb", "/seed", "raw", True, "", "")


def test_another_host_may_run_it_by_another_qemu() -> None:
    assert "<emulator>/new</emulator>" in xml.with_emulator(LIVE_DISKS, "/new")


def test_a_named_cpu_model_goes_before_the_hosts() -> None:
    for kvm in (True, False):
        model = parsed(kvm=kvm, cpu_model="qemu64").find("cpu/model")
        assert model is not None and model.text == "qemu64"
