"""A NoCloud seed: what cloud-init in a guest's disk image is told, as a disk of its own.

It carries what makes an image a guest of ours, so that no network is needed for it.
https://cloudinit.readthedocs.io has the keys' meanings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.images.apt import Runner
from harness.images.disk import namespace

LABEL = "CIDATA"
INSTALL = "install"  # what cloud-init runs: images/cloud/install
MOUNTED = "/run/testbed-seed"
TRACKS, HEADS, SECTORS = 256, 4, 32  # 16 MiB
TOOL_SECONDS = 60.0


@dataclass(frozen=True)
class Card:
    """A network card, known by its MAC; `address` carries its prefix length."""

    mac: str
    address: str


@dataclass(frozen=True)
class Told:
    """What one guest is told. `keys` are public SSH keys, one line each."""

    name: str
    domain_id: int
    instance: str
    cards: Sequence[Card]
    keys: Sequence[str] = ()


def meta_data(told: Told) -> str:
    """Who it is. Another instance makes cloud-init do everything anew."""
    return _yaml({"instance-id": told.instance, "local-hostname": told.name})


def network_config(told: Told) -> str:
    """Its cards, named as the kernel names a guest's own: eth0 and so on."""
    cards = {
        f"eth{index}": {
            "match": {"macaddress": card.mac},
            "set-name": f"eth{index}",
            "addresses": [card.address],
        }
        for index, card in enumerate(told.cards)
    }
    return _yaml({"version": 2, "ethernets": cards})


def user_data(told: Told) -> str:
    """Its keys, which domain it is, and that what the seed carries is installed."""
    facts = f"domsock.name={told.name}\ndomsock.id={told.domain_id}\n"
    keys = {"ssh_authorized_keys": list(told.keys)} if told.keys else {}
    return "#cloud-config\n" + _yaml(
        {
            "disable_root": False,
            "locale": False,  # an image may lack the default one, and making it takes long
            **keys,
            "ssh_genkeytypes": ["ed25519"],
            "write_files": [{"path": "/etc/domsock/agent.conf", "content": facts}],
            "runcmd": [
                ["mkdir", "-p", MOUNTED],
                ["mount", "-o", "ro", f"/dev/disk/by-label/{LABEL}", MOUNTED],
                ["sh", f"{MOUNTED}/{INSTALL}"],
                ["umount", MOUNTED],
            ],
        }
    )


def build_seed(told: Told, carried: Mapping[str, Path], to: Path, run: Runner) -> None:
    """Write the seed's disk to the file `to`, with the files it carries, `INSTALL` among them."""
    texts = {
        "meta-data": meta_data(told),
        "network-config": network_config(told),
        "user-data": user_data(told),
    }

    def tool(*argv: str) -> None:
        run(list(argv), within=TOOL_SECONDS, env=namespace.environment())

    geometry = ("-t", str(TRACKS), "-h", str(HEADS), "-s", str(SECTORS))
    tool("mformat", "-C", "-i", str(to), "-v", LABEL, "-N", "646f6d73", *geometry, "::")
    with tempfile.TemporaryDirectory() as place:
        for name, text in texts.items():
            (Path(place) / name).write_text(text)
        files = {**{name: Path(place) / name for name in texts}, **carried}
        for name, source in files.items():
            tool("mcopy", "-i", str(to), str(source), f"::/{name}")


def _yaml(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False)
