"""Logging in to a guest that has an sshd. Whom it lets in and who it is go through
qemu-guest-agent, so nothing is trusted that came by the network.
"""

from __future__ import annotations

import shlex

from harness.errors import TestbedError
from harness.guests.guest import Guest
from harness.hosts.base import SshTarget
from harness.model import naming

STEP_SECONDS = 30.0
LISTENS = r"grep -qs ': [0-9A-F]*:0016 [0-9A-F:]* 0A ' /proc/net/tcp /proc/net/tcp6"
HOST_KEYS = "cat /etc/ssh/ssh_host_*_key.pub"


def has_sshd(guest: Guest) -> bool:
    """Whether something listens on port 22 in the guest."""
    return guest.exec(["sh", "-c", LISTENS], within=STEP_SECONDS, check=False).returncode == 0


def admit(guest: Guest, public_key: str, user: str = "root") -> None:
    """Let that key log in as `user`; one that may do so already is fine."""
    guest.domain.guest_command(
        "guest-ssh-add-authorized-keys",
        within=STEP_SECONDS,
        username=user,
        keys=[public_key.strip()],
        reset=False,
    )


def known_hosts(guest: Guest) -> str:
    """The guest's own keys, as lines of a known_hosts file. Raises TestbedError."""
    keys = guest.exec(["sh", "-c", HOST_KEYS], within=STEP_SECONDS, check=False).stdout
    lines = [f"{guest.name} {line}" for line in keys.splitlines() if line.startswith("ssh-")]
    if not lines:
        raise TestbedError("the guest's sshd has no keys", where=guest.domain.where)
    return "\n".join(lines) + "\n"


def join_guest_network(guest: Guest, network: int, number: int) -> None:
    """Give the guest's host, the `number`th, an address in that network of its guests."""
    address = naming.guest_address(naming.FIRST_HOST_ID + number, network)
    argv = ["ip", "address", "replace", f"{address}/{naming.GUEST_PREFIX}"]
    guest.place.host.run([*argv, "dev", naming.guest_bridge(network)])


def options(target: SshTarget, known: str) -> list[str]:
    """ssh's options to log in with that host's key; `known` is a known_hosts file."""
    key = ["-i", str(target.key), "-o", "IdentitiesOnly=yes"] if target.key else []
    strict = ["-o", f'UserKnownHostsFile="{known}"', "-o", "StrictHostKeyChecking=yes"]
    return ["-F", "none", "-o", "LogLevel=ERROR", *key, *strict]


def argv(
    guest: Guest, network: int, through: SshTarget, known: str, command: list[str]
) -> list[str]:
    """The ssh command line into the guest, through its host; `known` is its known_hosts file."""
    host = f"{through.user}@{through.address}"
    jump = ["ssh", *options(through, str(through.known_hosts)), "-p", str(through.port)]
    proxy = shlex.join([*jump, "-W", "GUEST", host]).replace("GUEST", "%h:%p")
    ours = ["ssh", *options(through, known), "-o", f"ProxyCommand={proxy}"]
    ours += ["-o", f"HostKeyAlias={guest.name}", *([] if command else ["-t"])]
    return [*ours, f"root@{naming.guest_address(guest.domain_id, network)}", *command]
