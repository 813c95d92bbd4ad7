"""Amounts of memory and disk as a topology writes them: ``32 MiB``, or a number of bytes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

MIB = 1 << 20
UNITS = {"KiB": 1 << 10, "MiB": MIB, "GiB": 1 << 30}
MIN_REGION = MIB
MAX_REGION = 1 << 30
MIN_MEMORY = 96 * MIB  # with less the kernel does not boot
MAX_SIZE = 1 << 40
SIZE = r"(\d{1,12}) ?(KiB|MiB|GiB)"


def parse_size(value: object) -> int:
    """Bytes from ``32 MiB`` or a plain number."""
    if isinstance(value, str) and (found := re.fullmatch(SIZE, value)):
        return int(found[1]) * UNITS[found[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("a size is such as 32 MiB, or a number of bytes")


def size_text(size: int) -> str:
    """The inverse of `parse_size`, in the largest unit that fits."""
    for name, unit in reversed(UNITS.items()):
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes" if size < MAX_SIZE else "far too many bytes"


def whole_mib(least: int) -> AfterValidator:
    """Refuses sizes below `least`, and any that QEMU or a tmpfs would round."""

    def check(size: int) -> int:
        if size % MIB or not least <= size <= MAX_SIZE:
            raise ValueError(
                f"{size_text(size)} is not a whole number of MiB between {size_text(least)} "
                f"and {size_text(MAX_SIZE)}"
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


_WRITTEN = WithJsonSchema(
    {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": f"^{SIZE}$"}]}
)

Room = Annotated[int, BeforeValidator(parse_size), whole_mib(MIB), _WRITTEN]
Memory = Annotated[int, BeforeValidator(parse_size), whole_mib(MIN_MEMORY), _WRITTEN]
RegionSize = Annotated[int, BeforeValidator(parse_size), AfterValidator(region_size), _WRITTEN]
