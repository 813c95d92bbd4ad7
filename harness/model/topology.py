"""The topology: which hosts, guests and grants a testbed consists of."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from harness.model import naming

MIB = 1 << 20
UNITS = {"KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30}
MIN_REGION = MIB
MAX_REGION = 1 << 30
MIN_MEMORY = 96 * MIB  # with less the kernel does not boot
MAX_MEMORY = 1 << 40
MAX_HOSTS = 200  # of one management network
MAX_GUESTS = naming.FIRST_HOST_ID - naming.FIRST_GUEST_ID
RESERVED = ("self", "localhost", "harness")


def parse_size(value: object) -> int:
    """Bytes from ``32 MiB`` or a plain number."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d{1,12}) ?(KiB|MiB|GiB)", value)):
        return int(found[1]) * UNITS[found[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("a size is such as 32 MiB, or a number of bytes")


def size_text(size: int) -> str:
    """The inverse of `parse_size`, in the largest unit that fits."""
    for name, unit in reversed(UNITS.items()):
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes" if size < MAX_MEMORY else "far too many bytes"


def whole_mib(least: int) -> AfterValidator:
    """Refuses sizes below `least`, and any that QEMU or a tmpfs would round."""

    def check(size: int) -> int:
        if size % MIB or not least <= size <= MAX_MEMORY:
            raise ValueError(
                f"{size_text(size)} is not a whole number of MiB between {size_text(least)} "
                f"and {size_text(MAX_MEMORY)}"
            )
        return size

    return AfterValidator(check)


def region_size(size: int) -> int:
    """Refuses what is no power of two, or too small or large, and names the nearest that fits."""
    if size & (size - 1) or not MIN_REGION <= size <= MAX_REGION:
        powers = [1 << n for n in range(MIN_REGION.bit_length() - 1, MAX_REGION.bit_length())]
        nearest = min(powers, key=lambda power: abs(power - size))
        raise ValueError(
            f"{size_text(size)} is not a power of two between 1 MiB and 1 GiB, and QEMU dies of "
            f"any other region; the nearest is {size_text(nearest)}"
        )
    return size


Room = Annotated[int, BeforeValidator(parse_size), whole_mib(MIB)]
Memory = Annotated[int, BeforeValidator(parse_size), whole_mib(MIN_MEMORY)]
RegionSize = Annotated[int, BeforeValidator(parse_size), AfterValidator(region_size)]
Name = Annotated[str, Field(pattern=f"^{naming.NAME.pattern}$")]


class Part(BaseModel):
    """A part of a topology: frozen, and every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HostSpec(Part):
    """A machine that runs guests. `shm` is the room for regions, in bytes."""

    shm: Room = 256 * MIB


class GuestSpec(Part):
    """A virtual machine. `memory` is in bytes."""

    host: Name
    image: Literal["micro"] = "micro"
    memory: Memory = 128 * MIB
    vcpus: Annotated[int, Field(ge=1, le=8, strict=True)] = 1


class GrantSpec(Part):
    """Permission for two guests to share one region of `size` bytes."""

    between: tuple[Name, Name]
    size: RegionSize = 32 * MIB

    @model_validator(mode="after")
    def _sound(self) -> GrantSpec:
        if self.between[0] == self.between[1]:
            raise ValueError(f"a grant joins two guests, not {self.between[0]} with itself")
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """The two names in order."""
        first, second = sorted(self.between)
        return first, second


class Topology(Part):
    """A whole testbed."""

    name: Name
    hosts: dict[Name, HostSpec] = Field(min_length=1, max_length=MAX_HOSTS)
    guests: dict[Name, GuestSpec] = Field(default={}, max_length=MAX_GUESTS)
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
