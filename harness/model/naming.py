"""Names, addresses and identities, each derived from an index: nothing is looked up."""

from __future__ import annotations

import hashlib
import re
import uuid

NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
FIRST_GUEST_ID = 3
FIRST_HOST_ID = 1000
GUEST_PREFIX = 16
FIRST_GUEST_NETWORK = 99  # 10.99.0.0/16; the next network is 10.100.0.0/16
FIRST_VNI = 4242
GUEST_MTU = 1450  # 1500 less the 50 bytes of VXLAN
AGENT_PORT = 7777
RELAY_PORT = 7778
CTL_CHANNEL = "domsock.ctl"
DATA_CHANNEL = "domsock.data"
REGION_PREFIX = "domsock"
REGION_ALIAS = "ua-domsock-"
DISKS = "/var/lib/domsock/disks"  # on every host: disks of the guests that run there
SHARED_DISKS = "/var/lib/domsock/shared"  # the same folder on every host


def guest_address(domain_id: int, network: int = 0) -> str:
    """The guest's address on the guest network of that index."""
    return f"10.{FIRST_GUEST_NETWORK + network}.{domain_id >> 8}.{domain_id & 0xFF}"


def guest_mac(testbed_id: str, domain_id: int, network: int = 0) -> str:
    """A MAC of QEMU's range (52:54:00), unlike that of any other testbed's guest or card."""
    salt = hashlib.sha256(testbed_id.encode()).digest()[0]
    high = network << 4 | domain_id >> 8
    return f"52:54:00:{salt:02x}:{high:02x}:{domain_id & 0xFF:02x}"


def guest_bridge(network: int) -> str:
    """The bridge of that guest network on every host."""
    return f"guests{network}"


def guest_tunnel(network: int) -> str:
    """The host's end of the VXLAN that joins the bridges of that network."""
    return f"guests-vx{network}"


def domain_uuid(testbed_id: str, guest: str) -> str:
    """The UUID of a guest's domain: by it, and not by its name, a testbed knows its own."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{REGION_PREFIX}:{testbed_id}/{guest}"))


def network_id(testbed_id: str) -> int:
    """The VXLAN network (24 bits) of a testbed on real machines; other testbeds have others."""
    return int.from_bytes(hashlib.sha256(testbed_id.encode()).digest()[:3]) or 1


def region_name(testbed_id: str, pair: tuple[str, str], generation: int) -> str:
    """The region's file name in /dev/shm: testbed, pair and generation, so its owner is known."""
    first, second = sorted(pair)
    return f"{REGION_PREFIX}.{testbed_id}.{first}.{second}.{generation}"


def region_alias(peer: str) -> str:
    """The alias of the device by which a guest shares memory with that peer."""
    return f"{REGION_ALIAS}{peer}"


def parse_region_alias(alias: str) -> str | None:
    """The inverse of `region_alias`; None when the device is not one of ours."""
    return alias.removeprefix(REGION_ALIAS) if alias.startswith(REGION_ALIAS) else None


def parse_region_name(name: str) -> tuple[str, tuple[str, str], int] | None:
    """The inverse of `region_name`; None when the file is not one of ours."""
    parts = name.split(".")
    if len(parts) != 5 or parts[0] != REGION_PREFIX or not parts[4].isdigit():
        return None
    return parts[1], (parts[2], parts[3]), int(parts[4])
