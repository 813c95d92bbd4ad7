"""One CPU model that every host can give its guests: what lets them move between unlike hosts."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import libvirt

from harness.errors import TestbedError
from harness.virt.accelerator import Name
from harness.virt.connection import Connection, translated

EMULATOR, ARCHITECTURE, MACHINE = "/usr/bin/qemu-system-x86_64", "x86_64", "pc"
VIRT_TYPES = {"kvm": "kvm", "tcg": "qemu"}
FIX = "leave that host out, or give all hosts the same firmware, kernel and QEMU"


def common(connections: Sequence[Connection], accelerator: Name) -> str:
    """The best CPU that all of them can give, as the ``<cpu>`` of a domain.

    Raises TestbedError naming the host that has none, or cannot run what the others have.
    """
    virt = VIRT_TYPES[accelerator]
    offers = [_offer(connection, virt) for connection in connections]
    first = connections[0]
    with translated("the hosts have no CPU model in common", first.where, FIX):
        model = str(
            first.raw.baselineHypervisorCPU(
                *(EMULATOR, ARCHITECTURE, MACHINE, virt, offers),
                libvirt.VIR_CONNECT_BASELINE_CPU_MIGRATABLE,
            )
        )
    for connection in connections:
        _check(connection, virt, model)
    return model


def name_of(model: str) -> str:
    """The model's name, for people: EPYC-Milan."""
    return ET.fromstring(model).findtext("model", "?")


def _offer(connection: Connection, virt: str) -> str:
    """What a guest sees there that is given all the host has, less what cannot migrate."""
    with translated("the host does not tell which CPU it can give", connection.where, FIX):
        told = connection.raw.getDomainCapabilities(EMULATOR, ARCHITECTURE, MACHINE, virt)
    mode = ET.fromstring(told).find("./cpu/mode[@name='host-model'][@supported='yes']")
    if mode is None:
        raise TestbedError("the host has no CPU model to give", where=connection.where, fix=FIX)
    offer = ET.Element("cpu")
    offer.extend(mode)
    return ET.tostring(offer, encoding="unicode")


def _check(connection: Connection, virt: str, model: str) -> None:
    with translated("the host cannot judge the CPU model", connection.where, FIX):
        answer = connection.raw.compareHypervisorCPU(
            EMULATOR, ARCHITECTURE, MACHINE, virt, model, 0
        )
    if answer not in (libvirt.VIR_CPU_COMPARE_IDENTICAL, libvirt.VIR_CPU_COMPARE_SUPERSET):
        raise TestbedError(
            f"the host cannot run {name_of(model)}, which the others can",
            where=connection.where,
            fix=FIX,
        )
