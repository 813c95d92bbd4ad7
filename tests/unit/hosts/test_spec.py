"""What a lab consists of, and the texts that follow from it."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.hosts.lab import hostfiles
from harness.hosts.lab.init import network_batch
from harness.hosts.lab.spec import LabSpec

MIB = 1 << 20
SPEC = LabSpec("lab", ("h1", "h2", "h3"), 64 * MIB)


def test_each_host_has_its_own_address_and_port() -> None:
    assert [SPEC.address(host) for host in SPEC.hosts] == ["10.98.0.11", "10.98.0.12", "10.98.0.13"]
    assert [SPEC.port(host) for host in SPEC.hosts] == ["port-0", "port-1", "port-2"]


def test_a_spec_survives_the_command_line() -> None:
    assert LabSpec.from_json(SPEC.as_json()) == SPEC


@pytest.mark.parametrize(
    ("name", "hosts", "shm", "complaint"),
    [
        ("lab", ("h1", "h1"), MIB, "same name"),
        ("lab", (), MIB, "1 to 200 hosts"),
        ("lab", tuple(f"h{n}" for n in range(201)), MIB, "1 to 200 hosts"),
        ("lab", ("h1; reboot",), MIB, "cannot name"),
        ("../lab", ("h1",), MIB, "cannot name"),
        ("lab", ("h" * 16,), MIB, "cannot name"),
        ("lab", ("h1",), 4096, "no region"),
    ],
)
def test_bad_input_is_refused(name: str, hosts: tuple[str, ...], shm: int, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        LabSpec(name, hosts, shm)


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(UsageError, match="no host 'h9'"):
        SPEC.address("h9")


def test_every_host_is_plugged_into_the_bridge_and_nothing_leads_out() -> None:
    batch = network_batch(SPEC)
    assert "link add port-2 type veth peer name eth0 netns h3\n" in batch
    assert "link set port-2 master mgmt0 up\n" in batch
    assert "route" not in batch


def test_hosts_know_each_other_by_name_and_differ() -> None:
    first, second = hostfiles.texts(SPEC, "h1"), hostfiles.texts(SPEC, "h2")
    assert "10.98.0.12 h2\n" in first["etc/hosts"]
    assert first["etc/machine-id"] != second["etc/machine-id"]
    assert len(first["etc/machine-id"].strip()) == 32


def test_sshd_listens_on_the_management_address_and_takes_only_keys() -> None:
    text = hostfiles.texts(SPEC, "h2")[hostfiles.SSHD_CONFIG]
    assert "ListenAddress 10.98.0.12\n" in text
    assert "PasswordAuthentication no\n" in text
    assert "UsePAM no\n" in text


def test_shared_memory_is_bounded() -> None:
    assert dict(hostfiles.tmpfs_mounts(64 * MIB))["/dev/shm"] == f"mode=1777,size={64 * MIB}"
