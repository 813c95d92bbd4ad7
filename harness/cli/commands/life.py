"""The life of a testbed that stays, and the machine it stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.commands.options import Append, Initrd, Kernel, Modules, Name, Qemu

app = typer.Typer()


@app.command()
def up(
    topology: Annotated[
        Path | None, typer.Argument(help="Topology file; default: the lab.")
    ] = None,
    kernel: Kernel = None,
    initrd: Initrd = None,
    modules: Modules = None,
    append: Append = "",
    qemu: Qemu = [],  # noqa: B006 - typer's own copy
    recorded: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Bring a testbed up and leave it running."""
    from harness.cli import lifecycle
    from harness.cli.topologies import overrides

    if recorded:
        lifecycle.apply_recorded(recorded)
    else:
        lifecycle.up(topology, overrides(kernel, initrd, modules, append, qemu))


@app.command()
def down(name: Name = "lab") -> None:
    """Take a testbed down; nothing of it is left."""
    from harness.cli import lifecycle

    lifecycle.down(name)


@app.command()
def gc() -> None:
    """Sweep what crashed runs left: only what carries a testbed's id and an owner record."""
    from harness.cli import lifecycle

    lifecycle.gc()


@app.command()
def doctor() -> None:
    """What this machine lacks, and the command that mends it.

    Exit code 1 when something is missing: here the machine is what is tested.
    """
    from harness.cli import doctor as work

    work.doctor()
