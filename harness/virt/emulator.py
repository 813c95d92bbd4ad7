"""A QEMU binary, asked for what it can: its version, its machine types, its ivshmem device."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.errors import TestbedError, UsageError
from harness.run import Completed

Runner = Callable[..., Completed]

DEFAULT = "/usr/bin/qemu-system-x86_64"
ASK = 'for what in --version "-machine help" "-device help"; do "$0" $what </dev/null; done'
ASK_SECONDS = 20.0
VERSION = re.compile(r"^QEMU emulator version (\S+)", re.MULTILINE)
MACHINE = re.compile(r"^(pc-(?:i440fx|q35)-(\d+)\.(\d+))\s", re.MULTILINE)
FAMILIES = {"pc": "pc-i440fx-", "q35": "pc-q35-"}


@dataclass(frozen=True)
class Emulator:
    """One QEMU. `machines` are its versioned machine types, the newest first."""

    path: str = DEFAULT
    version: str = ""
    machines: tuple[str, ...] = ()
    ivshmem: bool = True

    def machine(self, family: str) -> str:
        """The newest machine type of that family; QEMU's own alias when none is known."""
        return next((m for m in self.machines if m.startswith(FAMILIES[family])), family)


def ask(run: Runner, path: str, where: str) -> Emulator:
    """Ask the binary. Raises UsageError when it is no QEMU that can run our guests."""
    try:
        done = run(["sh", "-c", ASK, path], within=ASK_SECONDS, check=False)
    except TestbedError as error:
        raise UsageError(f"{path} does not answer", where=where, why=str(error)) from None
    version = VERSION.search(done.stdout)
    if version is None:
        said = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()
        raise UsageError(
            f"{path} is no QEMU", where=where, why=f"asked for its version: {said[0][:200]}"
        )
    machines = sorted(set(MACHINE.findall(done.stdout)), key=_age)
    if not machines:
        raise UsageError(
            f"{path} emulates no PC",
            where=where,
            why="it has no machine types pc and q35",
            fix="give a qemu-system-x86_64",
        )
    names = tuple(name for name, _, _ in machines)
    return Emulator(path, version[1], names, '"ivshmem-plain"' in done.stdout)


def _age(machine: tuple[str, str, str]) -> tuple[int, int]:
    return -int(machine[1]), -int(machine[2])


def in_common(emulators: Iterable[Emulator]) -> list[Emulator]:
    """The same, each with only the machine types that all of them have: guests move."""
    given = list(emulators)
    common = set(given[0].machines).intersection(*(other.machines for other in given))
    return [replace(e, machines=tuple(m for m in e.machines if m in common)) for e in given]
