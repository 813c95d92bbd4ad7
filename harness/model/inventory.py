"""The inventory: real machines that can be hosts, and how each is reached."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from harness.model.topology import MAX_HOSTS, RESERVED, Name, Part

LOGIN = r"^[a-z_][a-z0-9_-]{0,31}$"
KNOWN_HOSTS = Path("~/.ssh/known_hosts")


def _address(text: str) -> str:
    """An IPv4 address that other machines can use: tunnels and migrations are bound to it."""
    try:
        found = ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is no IPv4 address; tunnels between hosts need one") from None
    if found.is_loopback or found.is_unspecified or found.is_multicast:
        raise ValueError(f"{text} is not an address at which other hosts reach this one")
    return text


class Machine(Part):
    """One machine. `key` None: what the user's SSH agent and usual key files offer.

    Its `address` is where we reach it, and where the other hosts do. `facts` are anything worth
    knowing of it (rack, owner, model); they are shown, never acted upon.
    """

    address: Annotated[str, AfterValidator(_address)]
    user: Annotated[str, Field(pattern=LOGIN)] = "root"
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] = 22
    key: Path | None = None
    facts: dict[str, str] = Field(default={})


class Inventory(Part):
    """All machines of one place. `known_hosts` is the file that proves they are the right ones."""

    hosts: dict[Name, Machine] = Field(min_length=1, max_length=MAX_HOSTS)
    known_hosts: Path = KNOWN_HOSTS

    @model_validator(mode="after")
    def _consistent(self) -> Inventory:
        seen: dict[tuple[str, int], str] = {}
        for name, machine in self.hosts.items():
            if name in RESERVED:
                raise ValueError(f"hosts.{name}: the name {name!r} has a meaning of its own")
            place = (machine.address, machine.port)
            if place in seen:
                raise ValueError(
                    f"hosts.{name}.address: {seen[place]} has the address {machine.address} already"
                )
            seen[place] = name
        return self
