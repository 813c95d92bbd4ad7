"""Names, addresses and identities, each derived from an index: nothing is looked up."""

from __future__ import annotations

import hashlib
import re

NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
FIRST_GUEST_ID = 3
FIRST_HOST_ID = 1000
GUEST_PREFIX = 16
GUEST_BRIDGE = "guests0"
GUEST_MTU = 1450  # 1500 less the 50 bytes of VXLAN
AGENT_PORT = 7777
CTL_CHANNEL = "domsock.ctl"
REGION_PREFIX = "domsock"


def guest_address(domain_id: int) -> str:
    """The guest's address on the guest network."""
    return f"10.99.{domain_id >> 8}.{domain_id & 0xFF}"


def guest_mac(testbed_id: str, domain_id: int) -> str:
    """A MAC of QEMU's range (52:54:00), unlike that of any other testbed's guest."""
    salt = hashlib.sha256(testbed_id.encode()).digest()[0]
    return f"52:54:00:{salt:02x}:{domain_id >> 8:02x}:{domain_id & 0xFF:02x}"


def region_name(testbed_id: str, pair: tuple[str, str], generation: int) -> str:
    """The region's file name in /dev/shm: testbed, pair and generation, so its owner is known."""
    first, second = sorted(pair)
    return f"{REGION_PREFIX}.{testbed_id}.{first}.{second}.{generation}"


def parse_region_name(name: str) -> tuple[str, tuple[str, str], int] | None:
    """The inverse of `region_name`; None when the file is not one of ours."""
    parts = name.split(".")
    if len(parts) != 5 or parts[0] != REGION_PREFIX or not parts[4].isdigit():
        return None
    return parts[1], (parts[2], parts[3]), int(parts[4])
