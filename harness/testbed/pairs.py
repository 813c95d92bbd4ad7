"""Can two hosts do together what a testbed asks of them? Tried one way; ask for both ways."""

from __future__ import annotations

from urllib.parse import urlsplit

from harness.errors import TestbedError
from harness.hosts.base import Host
from harness.hosts.checks import Check
from harness.hosts.ssh import SshHost
from harness.model.naming import RELAY_PORT

MIGRATION_PORT = 49215  # the last of libvirt's range: the first are in use when a guest arrives
LIBVIRT_PORT = 16509  # of libvirtd by TCP, in a lab
TRIAL_SECONDS = 3
PROVISION = "testbed provision -i INVENTORY with both hosts in it; root must be let in by key"
LISTEN = """
import socket, sys
server = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
server.settimeout(20)
server.accept()
"""
# An interface for as long as standard input is open: it goes with whoever made it.
TUNNEL = """
ip link add "$0" type vxlan id "$1" local "$2" remote "$3" dstport 4789 || exit 1
trap 'ip link delete "$0"' EXIT
ip address add "$4/30" dev "$0" && ip link set "$0" up && echo ready && cat >/dev/null
"""
HERE, THERE = "169.254.77.1", "169.254.77.2"


def checks(one: SshHost, other: SshHost, network: int) -> list[Check]:
    """What `one` can do at `other`. `network` is a VXLAN id that nobody uses."""
    return [
        _libvirt(one, other),
        _migration(one, other),
        _tunnel(one, other, network),
        _relay(one, other),
    ]


def _libvirt(one: SshHost, other: SshHost) -> Check:
    """As the source's libvirtd does at a migration: it calls the destination's, by its URI."""
    by_ssh = urlsplit(other.peer_uri).scheme == "qemu+ssh"
    where = f"{other.address}:{other.target.port if by_ssh else LIBVIRT_PORT}"
    why = _log_in(one, other) if by_ssh else _connect(one, other.address, LIBVIRT_PORT)
    return Check(
        f"{one.name} → {other.name}: migration URI",
        not why,
        why or (f"root@{where} by SSH" if by_ssh else f"{where} by TCP"),
        "the source's libvirtd calls the destination's",
        PROVISION if by_ssh else "testbed logs shows what libvirtd says there",
    )


def _log_in(one: SshHost, other: SshHost) -> str:
    """What stopped libvirt's own way by SSH, with the host's own key; nothing when it is open."""
    target = other.target
    ssh = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={TRIAL_SECONDS}"]
    ssh += ["-p", str(target.port), f"root@{target.address}", "test -S /run/libvirt/libvirt-sock"]
    done = one.run(ssh, check=False)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


def _migration(one: Host, other: SshHost) -> Check:
    name = f"{one.name} → {other.name}: port {MIGRATION_PORT}"
    fix = f"open TCP 49152-49215 on {other.name} for {one.address}"
    listen = ["python3", "-c", LISTEN, other.address, str(MIGRATION_PORT)]
    try:
        with other.holding(listen):
            good = _connect(one, other.address, MIGRATION_PORT) == ""
    except TestbedError as error:
        return Check(name, False, error.what, fix=fix)
    found = "open" if good else f"shut: no connection within {TRIAL_SECONDS} s"
    return Check(name, good, found, "a guest's memory takes this way", fix)


def _tunnel(one: SshHost, other: SshHost, network: int) -> Check:
    """A tunnel like that between the guests' bridges, with an address at each end."""
    name, link = f"{one.name} → {other.name}: VXLAN", f"probe{network:x}"
    fix = f"open UDP 4789 on {one.name} and {other.name} for each other; modprobe vxlan"

    def end(at: Host, to: Host, address: str) -> list[str]:
        return ["sh", "-c", TUNNEL, link, str(network), at.address, to.address, address]

    try:
        with one.holding(end(one, other, HERE)), other.holding(end(other, one, THERE)):
            said = _connect(one, THERE, 9)  # nobody listens there: a refusal has come through
    except TestbedError as error:
        return Check(name, False, error.what, fix=fix)
    good = said == "" or "refused" in said
    found = "packets go there and back" if good else f"silent for {TRIAL_SECONDS} s"
    return Check(name, good, found, "the guests' network spans the hosts by it", fix)


def _relay(one: Host, other: SshHost) -> Check:
    """As the agent of `one` does for guests that have no network, or whose network is down."""
    said = _connect(one, other.address, RELAY_PORT)
    found = "open" if said == "" else f"shut: no connection within {TRIAL_SECONDS} s"
    fix = f"open TCP {RELAY_PORT} on {other.name} for {one.address}"
    if "refused" in said:
        found, fix = "the agent does not listen there", PROVISION
    return Check(
        f"{one.name} → {other.name}: port {RELAY_PORT}",
        said == "",
        found,
        "hosts' agents relay for guests without a network",
        fix,
    )


def _connect(host: Host, address: str, port: int) -> str:
    """What stopped a TCP connection; nothing when it came about."""
    script = 'exec 3<>"/dev/tcp/$0/$1"'
    argv = ["timeout", str(TRIAL_SECONDS), "bash", "-c", script, address, str(port)]
    done = host.run(argv, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or "no answer"
