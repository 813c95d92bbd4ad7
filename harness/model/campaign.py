"""A campaign: which migrations under which load, within which limits."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from harness.model.migration_mode import MODES, NO_DISK, MigrationMode, copying_disks
from harness.model.result import Path
from harness.model.sizes import MIB, parse_size
from harness.model.topology import Component, Name, Part
from harness.model.words import hint

UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
MAX_SECONDS = 7 * 86400.0
MAX_MIGRATIONS = 1_000_000
MAX_PATTERN = 64 * MIB  # the guests have 128 MiB

Scenario = Literal["ping-pong", "in-turn", "opposite", "side-by-side"]
Workload = Literal["bulk", "requests", "connections", "slow-reader"]
SCENARIOS: tuple[Scenario, ...] = ("ping-pong", "in-turn", "opposite", "side-by-side")
WORKLOADS: tuple[Workload, ...] = ("bulk", "requests", "connections", "slow-reader")


def parse_duration(value: object) -> float:
    """Seconds from ``30 min``, ``1.5 s``, ``300 ms``, or a plain number of seconds."""
    pattern = r"(\d{1,9}(?:\.\d{1,6})?) ?(ms|s|min|h)"
    if isinstance(value, str) and (found := re.fullmatch(pattern, value)):
        return float(found[1]) * UNITS[found[2]]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError("a duration is such as 300 ms, 2 s, 30 min, or a number of seconds")


def _known_mode(name: str) -> str:
    if name not in MODES:
        raise ValueError(f"there is no mode {name!r}: {hint(name, MODES, 'modes')}")
    return name


def _each_once(names: Collection[str]) -> Collection[str]:
    if len(set(names)) != len(names):
        raise ValueError("each may stand once")
    return names


def _pattern_size(size: int) -> int:
    if size % 4096 or not 0 <= size <= MAX_PATTERN:
        raise ValueError("a pattern is whole pages of 4 KiB, at most 64 MiB")
    return size


Seconds = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, le=MAX_SECONDS)]
Some = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=MAX_SECONDS)]
Pattern = Annotated[int, BeforeValidator(parse_size), AfterValidator(_pattern_size)]
Mode = Annotated[str, AfterValidator(_known_mode)]
Control = Literal["always", "failed", "never"]


class Memory(Part):
    """Patterns that each guest holds and keeps dirtying, in bytes; 0 is none.

    `dirty` is how much of each is rewritten per second. A `disk` is a real one, /dev/vda: every
    migration copies it, unless it is `shared`, a file that all hosts see.
    """

    ram: Pattern = 16 * MIB
    disk: Pattern = 4 * MIB
    dirty: Pattern = 4 * MIB
    shared: bool = False

    @property
    def copied(self) -> bool:
        """Whether there is a disk that a migration must copy."""
        return bool(self.disk) and not self.shared


class Limits(Part):
    """What makes a case fail although no byte was lost; None is no limit."""

    stall_below: Some | None = None
    downtime_below: Some | None = None
    resources: Literal["flat", "any"] = "flat"


class Campaign(Part):
    """A stress run. Either `migrations` or `duration` says when it is over.

    Without a `network` guests have no card: streams of guests that are apart go by relay.
    `rest` is how long the streams run on after each case, before they are looked at. `control`
    says which cases run once more without grants: all, those that failed, or none. A
    crash of what is in `sut` is what the run was to find out; any other breaks the testbed.
    """

    name: Name
    seed: Annotated[int, Field(ge=0, lt=1 << 31, strict=True)] = 1
    workloads: Annotated[tuple[Workload, ...], AfterValidator(_each_once)] = WORKLOADS
    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1)] = SCENARIOS
    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = ("precopy",)
    migrations: Annotated[int, Field(gt=0, le=MAX_MIGRATIONS, strict=True)] | None = None
    duration: Some | None = None
    rest: Seconds = 0.3
    network: Annotated[bool, Field(strict=True)] = True
    memory: Memory = Memory()
    limits: Limits = Limits()
    control: Control = "failed"
    sut: Annotated[tuple[Component, ...], AfterValidator(_each_once)] = ("qemu", "kernel")

    @model_validator(mode="after")
    def _sound(self) -> Campaign:
        if (self.migrations is None) == (self.duration is None):
            raise ValueError("either migrations or duration must say when it is over")
        if not self.network and self.control != "never":
            raise ValueError("control: without a network only our streams can be; say never")
        if all(mode.stays for mode in self.migration_modes):
            tunnels = any(mode.because == NO_DISK for mode in self.migration_modes)
            why = f", as {NO_DISK}" * tunnels
            raise ValueError(f"modes: none of these moves a guest{why}; add precopy")
        return self

    @property
    def migration_modes(self) -> tuple[MigrationMode, ...]:
        """The modes as values."""
        modes = [MODES[name] for name in self.modes]
        return tuple(map(copying_disks, modes) if self.memory.copied else modes)

    @property
    def apart(self) -> Path:
        """The path that streams take between guests that are on two hosts."""
        return "tcp" if self.network else "relay"

    @property
    def uses_tls(self) -> bool:
        """Whether the hosts need certificates."""
        return any(mode.tls for mode in self.migration_modes)
