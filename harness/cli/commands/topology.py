"""Topology files: checked, and described for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def validate(topology: Annotated[Path, typer.Argument(help="Topology file.")]) -> None:
    """Check a topology file, and show what it describes."""
    from harness.cli import topologies

    topologies.validate(topology)


@app.command()
def schema() -> None:
    """The JSON Schema of topology files."""
    from harness.model.schema import schema_text

    print(schema_text(), end="")
