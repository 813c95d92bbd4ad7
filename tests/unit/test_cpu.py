"""The CPU model that unlike hosts have in common."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import pytest

from harness.errors import TestbedError
from harness.virt import cpu, xml
from tests.unit.test_xml import GUEST

OFFER = """<domainCapabilities><cpu><mode name='maximum' supported='yes'/>
<mode name='host-model' supported='{supported}'><model fallback='forbid'>{model}</model>
<feature policy='require' name='{feature}'/></mode></cpu></domainCapabilities>"""
BASELINE = "<cpu mode='custom' match='exact'><model fallback='forbid'>Nehalem</model></cpu>"


class Libvirt:
    """A libvirtd that offers one model, and notes what it was asked."""

    def __init__(self, model: str, supported: str = "yes", compared: int = 2) -> None:
        self.offer = OFFER.format(model=model, feature="aes", supported=supported)
        self.compared, self.asked = compared, list[Any]()

    def getDomainCapabilities(self, *asked: str) -> str:  # noqa: N802 - libvirt's name
        self.asked.append(asked)
        return self.offer

    def baselineHypervisorCPU(self, *asked: Any) -> str:  # noqa: N802
        self.asked.append(asked)
        return BASELINE

    def compareHypervisorCPU(self, *asked: Any) -> int:  # noqa: N802
        self.asked.append(asked)
        return self.compared


class Connection:
    """A connection to it."""

    def __init__(self, where: str, raw: Libvirt) -> None:
        self.where, self.raw = where, raw


def common(*hosts: Libvirt) -> str:
    connections: Any = [Connection(f"h{n}", raw) for n, raw in enumerate(hosts, 1)]
    return cpu.common(connections, "kvm")


def test_every_hosts_offer_counts_and_every_host_agrees() -> None:
    first, second = Libvirt("Skylake"), Libvirt("Nehalem")
    assert cpu.name_of(common(first, second)) == "Nehalem"
    _, (*_, offers, flags), compared = first.asked
    assert [ET.fromstring(offer).findtext("model") for offer in offers] == ["Skylake", "Nehalem"]
    assert all("aes" in offer for offer in offers)
    assert flags == libvirt.VIR_CONNECT_BASELINE_CPU_MIGRATABLE
    assert BASELINE in compared and BASELINE in second.asked[-1]


def test_a_host_with_nothing_to_give_is_named() -> None:
    with pytest.raises(TestbedError, match=r"no CPU model to give \(h2\)"):
        common(Libvirt("Skylake"), Libvirt("Nehalem", supported="no"))


def test_a_host_that_cannot_run_the_model_is_named() -> None:
    with pytest.raises(TestbedError, match=r"cannot run Nehalem.*\(h2\)"):
        common(
            Libvirt("Skylake"), Libvirt("Nehalem", compared=libvirt.VIR_CPU_COMPARE_INCOMPATIBLE)
        )


def test_a_guest_is_given_the_common_model() -> None:
    made = xml.GuestDefinition(**{**GUEST.__dict__, "kvm": True, "common_cpu": BASELINE})
    found = ET.fromstring(xml.domain(made)).find("cpu")
    assert found is not None and found.findtext("model") == "Nehalem"
