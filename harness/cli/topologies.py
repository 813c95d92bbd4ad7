"""Topology files as the command line meets them; testbed validate."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from harness.errors import UsageError
from harness.model import topology_text
from harness.model.topology import Topology, lab_topology


def read_topology(file: Path | None) -> Topology:
    """The topology of a file, or the lab's. Raises UsageError."""
    if file is None:
        return lab_topology()
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(topology_text.MAX_CHARACTERS + 1)  # of what may never end
    except (OSError, ValueError) as error:
        raise UsageError("the topology cannot be read", where=str(file), why=str(error)) from None
    return topology_text.parse(text, str(file))


def validate(file: Path) -> None:
    """Check a topology file, and say what it describes."""
    found = read_topology(file)
    Console().print(
        f"{found.name}: {len(found.hosts)} hosts, {len(found.guests)} guests, "
        f"{len(found.grants)} grants",
        highlight=False,
    )
