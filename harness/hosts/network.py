"""A testbed's guest network on real machines: the same script that the lab's role runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness import config
from harness.errors import TestbedError
from harness.hosts.base import Host

SCRIPT = config.REPOSITORY / "playbooks/roles/network/files/guest-network"


@dataclass(frozen=True)
class GuestNetwork:
    """One network: the names of its interfaces on every host, its VXLAN number, its MTU."""

    bridge: str
    tunnel: str
    vni: int
    mtu: int


def join(hosts: Sequence[Host], owner: str, network: GuestNetwork) -> None:
    """Give every host the bridge, joined to that of each other. What is there already is fine.

    Raises TestbedError when a bridge of that name belongs to somebody else.
    """
    named = (network.bridge, network.tunnel, str(network.vni), str(network.mtu))
    for host in hosts:
        peers = [other.address for other in hosts if other is not host]
        _run(host, "join", owner, *named, host.address, *peers)


def leave(host: Host, owner: str) -> None:
    """Remove all interfaces of that owner from the host; there may be none."""
    _run(host, "leave", owner)


def _run(host: Host, verb: str, owner: str, *more: str) -> None:
    argv = ["sh", "-s", verb, owner, *more]
    done = host.run(argv, input=SCRIPT.read_text(), check=False)
    if done.returncode:
        raise TestbedError(
            f"the host cannot {verb} the guest network",
            where=host.name,
            why=done.stderr.strip(),
            fix="" if "another's" in done.stderr else "testbed doctor -i INVENTORY",
        )
