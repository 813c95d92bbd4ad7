"""What there is, and what it does now."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.commands.entering import entered
from harness.cli.commands.options import LOOK_SECONDS, Json, Name, Testbed

app = typer.Typer()


@app.command()
def ls(as_json: Json = False) -> None:
    """Every testbed here, and where its guests are."""
    from harness.cli import listing

    listing.ls(as_json)


@app.command()
def inspect(
    name: Name = "lab",
    as_json: Json = False,
    patience: Annotated[float, typer.Option(hidden=True)] = LOOK_SECONDS,
) -> None:
    """Hosts, guests, grants, links and streams of a testbed."""
    entered(name, patience)
    from harness.cli import look

    look.inspect(name, as_json, patience)


@app.command()
def streams(testbed: Testbed = "lab", as_json: Json = False) -> None:
    """Every open stream: its path, its bytes, its longest stall."""
    entered(testbed, LOOK_SECONDS)
    from harness.cli import look

    look.streams(testbed, as_json, LOOK_SECONDS)


@app.command()
def grants(testbed: Testbed = "lab", as_json: Json = False) -> None:
    """Who shares memory with whom, where, and which path each link takes."""
    entered(testbed, LOOK_SECONDS)
    from harness.cli import look

    look.grants(testbed, as_json, LOOK_SECONDS)
