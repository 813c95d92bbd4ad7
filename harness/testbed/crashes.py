"""What crashed in a run, told from its evidence, and whose fault that is.

A crash of something listed under `sut:` in the topology is what the run was to find out; a crash
of anything else means that the testbed itself broke.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import SubjectFailed, TestbedError
from harness.hosts.base import Host
from harness.model.topology import Component

QEMU_BEGIN = "starting up libvirt version"
QEMU_END = re.compile(r"shutting down, reason=crashed")
GIVEN_UP = "load of migration failed"  # its source left it: it says so, and ends
KERNEL_END = re.compile(r"Kernel panic|\bBUG:|\bkernel BUG at|\bOops\b|general protection fault")
AGENT_BEGIN = re.compile(r" info domsockd [0-9.]+: domain ")
LIBVIRTD_ENDED = "read -r pid < /run/libvirtd.pid && ! kill -0 $pid"
LIBVIRTD_SAID = 4000  # characters
LINES_BEFORE, LINES_AFTER = 25, 45
FOLDER = "crashes"


@dataclass(frozen=True)
class Crash:
    """One component that ended as it must not. `text` is what it or its keeper said of it."""

    component: Component
    where: str
    headline: str
    text: str

    def __str__(self) -> str:
        return f"{self.component} of {self.where} crashed: {self.headline}"


def find(folder: Path, consoles: Mapping[str, str], hosts: Sequence[Host] = ()) -> list[Crash]:
    """Every crash that the evidence in `folder`, the guests' consoles and the hosts tell of."""
    guests = tuple(consoles)
    found = [*_kernels(consoles), *_emulators(folder, guests), *_agents(folder, guests)]
    return found + [_libvirt(folder, host.name) for host in hosts if _without_libvirtd(host)]


def keep(crash: Crash, folder: Path) -> None:
    """Its words in a file of their own, beside the whole logs."""
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    name = f"{crash.component}-{crash.where.replace(' ', '-')}.txt"
    (place / name).write_text(f"{crash}\n\n{crash.text}")


def blame(crashes: Sequence[Crash], sut: Sequence[Component], folder: Path) -> TestbedError | None:
    """The error that these crashes stand for; None when nothing crashed.

    A component under test is to blame even if it took others down with it.
    """
    if not crashes:
        return None
    tested = [crash for crash in crashes if crash.component in sut]
    told = "; ".join(map(str, tested or crashes))
    where = str(folder / FOLDER)
    if tested:
        return SubjectFailed(told, where=where, fix="its last words are there")
    return TestbedError(told, where=where, why=f"{crashes[0].component} is not listed under sut:")


def _kernels(consoles: Mapping[str, str]) -> Iterator[Crash]:
    for guest, text in consoles.items():
        if passage := _around(text, KERNEL_END):
            yield Crash("kernel", guest, *passage)


def _emulators(folder: Path, guests: Sequence[str]) -> Iterator[Crash]:
    for guest in guests:
        for log in sorted(folder.glob(f"hosts/*/libvirt/qemu/{guest}.log")):
            host = log.relative_to(folder).parts[1]
            text = log.read_text(errors="replace")
            if (at := _qemu_end(text)) is not None:
                yield Crash("qemu", f"{guest} on {host}", *_passage(text, at))


def _qemu_end(text: str) -> int | None:
    """Where a QEMU's log tells of the first crash. One that waited for a guest whose migration
    was aborted is no crash, although libvirt calls it one.
    """
    for found in QEMU_END.finditer(text):
        begun = max(0, text.rfind(QEMU_BEGIN, 0, found.start()))
        if GIVEN_UP not in text[begun : found.start()]:
            return found.start()
    return None


def _agents(folder: Path, guests: Sequence[str]) -> Iterator[Crash]:
    """An agent that began twice in one life of its guest had ended in between."""
    for guest in guests:
        log = folder / "agents" / f"{guest}.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        begins = list(AGENT_BEGIN.finditer(text))
        if len(begins) > 1:
            headline, passage = _passage(text, begins[1].start())
            yield Crash("agent", guest, f"it began again: {headline}", passage)


def _without_libvirtd(host: Host) -> bool:
    """Whether libvirtd ended there without taking its pid file along."""
    try:
        return host.run(["sh", "-c", LIBVIRTD_ENDED], check=False).returncode == 0
    except TestbedError:
        return False  # the host itself is out of reach: another error tells of that


def _libvirt(folder: Path, host: str) -> Crash:
    log = folder / "hosts" / host / "libvirt" / "libvirtd.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    return Crash("libvirt", host, "libvirtd runs no more", text[-LIBVIRTD_SAID:])


def _around(text: str, pattern: re.Pattern[str]) -> tuple[str, str] | None:
    found = pattern.search(text)
    return _passage(text, found.start()) if found else None


def _passage(text: str, at: int) -> tuple[str, str]:
    """The line at that place, and the lines around it."""
    lines, number = text.splitlines(), text.count("\n", 0, at)
    around = lines[max(0, number - LINES_BEFORE) : number + LINES_AFTER]
    return lines[number].strip(), "\n".join(around) + "\n"
