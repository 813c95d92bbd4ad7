"""The life of a testbed that stays, and the machine it stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.commands.options import (
    Append,
    Initrd,
    Inventory,
    Kernel,
    Modules,
    Name,
    Qemu,
    Ttl,
    span,
)

app = typer.Typer()


@app.command()
def up(
    topology: Annotated[
        Path | None, typer.Argument(help="Topology file; default: the lab.")
    ] = None,
    inventory: Inventory = None,
    kernel: Kernel = None,
    initrd: Initrd = None,
    modules: Modules = None,
    append: Append = "",
    qemu: Qemu = [],  # noqa: B006 - typer's own copy
    ttl: Ttl = None,
    recorded: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Bring a testbed up and leave it running."""
    from harness.cli import lifecycle
    from harness.cli.topologies import overrides

    if recorded:
        lifecycle.apply_recorded(recorded)
    else:
        given = overrides(kernel, initrd, modules, append, qemu)
        lifecycle.up(topology, given, inventory, ttl)


@app.command()
def down(name: Name = "lab") -> None:
    """Take a testbed down; nothing of it is left."""
    from harness.cli import lifecycle

    lifecycle.down(name)


@app.command()
def extend(
    time: Annotated[float, typer.Argument(parser=span, metavar="TIME", help="Such as 2h.")],
    name: Name = "lab",
) -> None:
    """Let a testbed end itself so long from now, whatever --ttl said."""
    from harness.cli import lifecycle

    lifecycle.extend(name, time)


@app.command()
def gc(
    inventory: Inventory = None,
    end: Annotated[
        list[str] | None, typer.Option(help="Also end this testbed, which is up, by its id.")
    ] = None,
) -> None:
    """Sweep what crashed runs left: only what carries a testbed's id and an owner record."""
    from harness.cli import lifecycle, machines

    if inventory is None:
        lifecycle.gc()
    else:
        lifecycle.show_report(machines.gc(inventory, end or []))


@app.command()
def doctor(
    name: Annotated[str | None, typer.Argument(help="Testbed that runs: its hosts.")] = None,
    inventory: Inventory = None,
) -> None:
    """What this machine lacks, or other machines, and the command that mends it.

    Exit code 1 when something is missing: here the machine is what is tested.
    """
    from harness.cli import doctor as work

    if name is None and inventory is None:
        work.doctor()
    else:
        work.hosts(name, inventory)
