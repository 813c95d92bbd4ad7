"""What cloud-init is told, and that it lies where cloud-init looks for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import run
from harness.images.disk import namespace, seed, tools

TOLD = seed.Told(
    name="g1",
    domain_id=3,
    instance="lab-1-g1",
    cards=(
        seed.Card("52:54:00:00:00:03", "10.99.0.3/16"),
        seed.Card("52:54:00:00:10:03", "10.100.0.3/16"),
    ),
    keys=("ssh-ed25519 AAAA me",),
)


def user_data(told: seed.Told = TOLD) -> dict[str, Any]:
    text = seed.user_data(told)
    assert text.startswith("#cloud-config\n")  # else cloud-init takes it for a script
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def test_each_card_is_known_by_its_mac_and_gets_its_address() -> None:
    ethernets = yaml.safe_load(seed.network_config(TOLD))["ethernets"]
    assert ethernets["eth1"] == {
        "match": {"macaddress": "52:54:00:00:10:03"},
        "set-name": "eth1",
        "addresses": ["10.100.0.3/16"],
    }


def test_a_guest_without_a_card_gets_none() -> None:
    told = seed.Told("g1", 3, "i", cards=())
    assert yaml.safe_load(seed.network_config(told)) == {"version": 2, "ethernets": {}}


def test_the_agent_learns_who_it_is_before_it_is_installed() -> None:
    told = user_data()
    assert told["write_files"][0] == {
        "path": "/etc/domsock/agent.conf",
        "content": "domsock.name=g1\ndomsock.id=3\n",
    }
    steps = [" ".join(step) for step in told["runcmd"]]
    assert "mount" in steps[1] and steps[2] == f"sh {seed.MOUNTED}/install"


def test_keys_and_name_are_told() -> None:
    assert user_data()["ssh_authorized_keys"] == ["ssh-ed25519 AAAA me"]
    nobody = seed.Told("g1", 3, "i", cards=())
    assert "ssh_authorized_keys" not in user_data(nobody)  # cloud-init objects to an empty list
    assert yaml.safe_load(seed.meta_data(TOLD)) == {
        "instance-id": "lab-1-g1",
        "local-hostname": "g1",
    }


@pytest.mark.skipif(
    not shutil.which("mformat", path=tools.path()), reason="mtools make the seed's file system"
)
def test_the_disk_has_cloud_inits_label_and_all_files(tmp_path: Path) -> None:
    package, disk = tmp_path / "package", tmp_path / "seed.img"
    package.write_bytes(bytes(range(256)) * 8192)  # 2 MiB, more than the agent
    seed.build_seed(TOLD, {"agent.deb": package, "install": package}, disk, run.run)

    def tool(*argv: str) -> str:
        return run.run([*argv], env=namespace.environment()).stdout

    assert seed.LABEL in tool("mlabel", "-s", "-i", str(disk), "::")
    assert tool("mtype", "-i", str(disk), "::/user-data") == seed.user_data(TOLD)
    assert tool("mtype", "-i", str(disk), "::/meta-data") == seed.meta_data(TOLD)
    assert tool("mtype", "-i", str(disk), "::/network-config") == seed.network_config(TOLD)
    tool("mcopy", "-i", str(disk), "::/agent.deb", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == package.read_bytes()
