"""The topology: which hosts, guests and grants a testbed consists of."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.model import naming

MIB = 1 << 20
UNITS = {"KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30}
MIN_REGION = MIB
MIN_MEMORY = 96 * MIB  # with less the kernel does not boot
RESERVED = ("self", "localhost", "harness")
MAX_REGION = 1 << 30


def parse_size(value: object) -> object:
    """Bytes from ``32 MiB``; anything else goes through for pydantic to judge."""
    if isinstance(value, bool):
        raise ValueError("a size is a number of bytes, or such as 32 MiB")
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+) ?(KiB|MiB|GiB)", value)):
        return int(found[1]) * UNITS[found[2]]
    return value


Bytes = Annotated[int, BeforeValidator(parse_size), Field(ge=1)]
Memory = Annotated[int, BeforeValidator(parse_size), Field(ge=MIN_MEMORY, multiple_of=MIB)]
Name = Annotated[str, Field(pattern=f"^{naming.NAME.pattern}$")]


class Part(BaseModel):
    """A part of a topology: frozen, and every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HostSpec(Part):
    """A machine that runs guests. `shm` is the room for regions, in bytes."""

    shm: Bytes = 256 * MIB


class GuestSpec(Part):
    """A virtual machine. `memory` is in bytes."""

    host: Name
    image: Literal["micro"] = "micro"
    memory: Memory = 128 * MIB
    vcpus: Annotated[int, Field(ge=1, le=8)] = 1


class GrantSpec(Part):
    """Permission for two guests to share one region of `size` bytes."""

    between: tuple[Name, Name]
    size: Bytes = 32 * MIB

    @model_validator(mode="after")
    def _sound(self) -> GrantSpec:
        if self.between[0] == self.between[1]:
            raise ValueError(f"a grant joins two guests, not {self.between[0]} with itself")
        if self.size & (self.size - 1) or not MIN_REGION <= self.size <= MAX_REGION:
            nearest = min(MAX_REGION, max(MIN_REGION, 1 << (self.size - 1).bit_length()))
            raise ValueError(
                f"size {self.size} is not a power of two between 1 MiB and 1 GiB, and QEMU dies "
                f"of any other region size; the next is {nearest // MIB} MiB"
            )
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """The two names in order."""
        first, second = sorted(self.between)
        return first, second


class Topology(Part):
    """A whole testbed."""

    name: Name
    hosts: dict[Name, HostSpec] = Field(min_length=1)
    guests: dict[Name, GuestSpec] = {}
    grants: tuple[GrantSpec, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Topology:
        for name in (*self.hosts, *self.guests):
            if name in RESERVED:
                kind = "hosts" if name in self.hosts else "guests"
                raise ValueError(f"{kind}.{name}: the name {name!r} has a meaning of its own")
        for name, guest in self.guests.items():
            if guest.host not in self.hosts:
                raise ValueError(f"guests.{name}.host: there is no host {guest.host!r}")
            if name in self.hosts:
                raise ValueError(f"guests.{name}: {name!r} is a host's name already")
        self._check_grants()
        return self

    def _check_grants(self) -> None:
        seen: set[tuple[str, str]] = set()
        for index, grant in enumerate(self.grants):
            for name in grant.pair:
                if name not in self.guests:
                    raise ValueError(f"grants.{index}.between: there is no guest {name!r}")
            if grant.pair in seen:
                raise ValueError(f"grants.{index}: {'-'.join(grant.pair)} is granted twice")
            seen.add(grant.pair)

    def guest_id(self, name: str) -> int:
        """The guest's domain id: its place in the file, from 3 on."""
        return naming.FIRST_GUEST_ID + list(self.guests).index(name)

    def region_bytes(self) -> int:
        """What all regions take if every pair meets on one host."""
        return sum(grant.size for grant in self.grants)


def lab_topology() -> Topology:
    """The embedded default: two hosts, two guests on the first, one grant."""
    return Topology(
        name="lab",
        hosts={"h1": HostSpec(), "h2": HostSpec()},
        guests={"g1": GuestSpec(host="h1"), "g2": GuestSpec(host="h1")},
        grants=(GrantSpec(between=("g1", "g2")),),
    )
