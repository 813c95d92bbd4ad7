"""Real machines: what makes them hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def provision(
    inventory: Annotated[
        Path, typer.Option("--inventory", "-i", help="Inventory file: the machines.")
    ],
    check: Annotated[bool, typer.Option(help="Only say what would change.")] = False,
) -> None:
    """Make real machines hosts, by the roles that make the lab's; a second run changes nothing."""
    from harness.cli import machines

    machines.provision(inventory, check)
