"""Domain XML: the facts that keep a guest alive are in it."""

from xml.etree import ElementTree as ET

from harness.virt import xml

GUEST = xml.GuestDefinition(
    name="g1",
    kvm=False,
    memory=128 << 20,
    vcpus=1,
    kernel="/k",
    initrd="/i",
    append="console=ttyS0",
    console_log="/var/log/g1.log",
    channels=("domsock.ctl",),
    mac="52:54:00:00:00:03",
    bridge="guests0",
    mtu=1450,
)


def parsed(kvm: bool = False) -> ET.Element:
    return ET.fromstring(xml.domain(GUEST.__class__(**{**GUEST.__dict__, "kvm": kvm})))


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
