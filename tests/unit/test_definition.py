"""From a topology's guest to its domain: how it is told who it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.guests import definition
from harness.guests.parts import Parts
from harness.images.image import Image
from harness.model.topology import Topology
from harness.virt.emulator import Emulator
from harness.virt.xml import GuestDefinition

WHO = ("domsock.name=g1", "domsock.id=3", "domsock.ip=10.99.0.3/16,10.100.0.3/16")


def defined(parts: Parts, **guest: Any) -> GuestDefinition:
    networks: dict[str, Any] = {"red": {}, "blue": {}}
    guests = {"g1": {"host": "h1", **guest}}
    topology = Topology.model_validate(
        {"name": "t", "hosts": {"h1": {}}, "networks": networks, "guests": guests}
    )
    return definition.define(
        topology, "g1", testbed_id="t-1", parts=parts, kvm=False, emulator=Emulator()
    )


def test_a_kernel_that_qemu_loads_is_told_on_its_command_line() -> None:
    kernel = Image(Path("k"), None, "x", "6.1", ("quiet",))
    made = defined(Parts(kernel), append="own.word")
    assert made.kernel is not None and made.oem_strings == ()
    assert made.kernel.append == " ".join(("quiet", "own.word", *WHO))


def test_a_disk_that_the_firmware_boots_is_told_by_smbios() -> None:
    made = defined(Parts(None), image="./cloud.qcow2")
    assert (made.kernel, made.oem_strings) == (None, WHO)


def test_a_whole_system_is_waited_for_longer_and_longest_when_it_is_emulated() -> None:
    small, whole = Parts(None), Parts(None, whole=True)
    assert whole.boot_seconds(kvm=False) > whole.boot_seconds(kvm=True)
    assert whole.boot_seconds(kvm=True) > small.boot_seconds(kvm=True)
