"""Topology files as the command line meets them; testbed validate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import run
from harness.cli import show
from harness.errors import UsageError
from harness.model import topology_text
from harness.model.overrides import Overrides, parse_qemu
from harness.model.sizes import size_text
from harness.model.topology import DiskSpec, GrantSpec, GuestSpec, Topology, lab_topology
from harness.testbed import capacity, files, limits


def read_topology(file: Path | None) -> Topology:
    """The topology of a file, or the lab's. Raises UsageError."""
    if file is None:
        return lab_topology()
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(topology_text.MAX_CHARACTERS + 1)  # of what may never end
    except (OSError, ValueError) as error:
        raise UsageError("the topology cannot be read", where=str(file), why=str(error)) from None
    return topology_text.parse(text, str(file)).relative_to(file.resolve().parent)


def overrides(
    kernel: Path | None, initrd: Path | None, modules: Path | None, append: str, qemu: list[str]
) -> Overrides:
    """What the options of the command line say; paths are of the current folder."""

    def place(file: Path | None) -> str:
        return "" if file is None else str(file.absolute())

    return Overrides(place(kernel), place(initrd), place(modules), append, parse_qemu(qemu))


def validate(file: Path) -> None:
    """Check a topology file and the files it names, and show what it describes."""
    found = read_topology(file)
    capacity.check(found)
    files.check(found)
    limits.check_emulators(found, run.run)
    console = Console()
    console.print(f"{found.name}: {', '.join(_counts(found))}", highlight=False)
    for table in (_guests(found), _grants(found)):
        if table.row_count:
            console.print("", table)


def _counts(topology: Topology) -> Iterator[str]:
    for kind in ("hosts", "networks", "guests", "grants"):
        count = len(getattr(topology, kind))
        yield f"{count} {kind if count != 1 else kind.removesuffix('s')}"


def _guests(topology: Topology) -> Table:
    columns = ("guest", "host", "boots", "machine", ">vCPUs", ">memory", "disks", "networks")
    made = show.table("Guests", *columns)
    for name, guest in topology.guests.items():
        show.add(
            made,
            *(name, guest.host, _boots(guest), guest.machine),
            *(str(guest.vcpus), size_text(guest.memory)),
            ", ".join(map(_disk, guest.disks)) or "none",
            ", ".join(topology.networks_of(name)) or "none",
        )
    return made


def _boots(guest: GuestSpec) -> str:
    image = Path(guest.image).name
    return f"{Path(guest.kernel).name}, {image}" if guest.kernel else image


def _disk(disk: DiskSpec) -> str:
    content = size_text(disk.size) if disk.size else Path(disk.file or "").name
    return f"{content} shared" if disk.shared else content


def _grants(topology: Topology) -> Table:
    made = show.table("Grants", "between", ">size", "network", "at first")
    for grant in topology.grants:
        network = topology.common_network(grant.pair) or "none"
        show.add(
            made, "-".join(grant.pair), size_text(grant.size), network, _first(topology, grant)
        )
    return made


def _first(topology: Topology, grant: GrantSpec) -> str:
    guests = topology.guests
    hosts = {guests[name].host if name in guests else name for name in grant.pair}
    if len(hosts) == 1:
        return f"shm on {hosts.pop()}"
    return "apart, on TCP" if topology.common_network(grant.pair) else "apart, by relay"
