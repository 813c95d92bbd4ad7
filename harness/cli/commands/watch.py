"""The controller, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.commands.options import Name

app = typer.Typer()


@app.command()
def watch(
    name: Name = "lab",
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each event.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End when another controller watches it.")
    ] = False,
) -> None:
    """Notice every move, start, crash and restore, and keep links on their best path."""
    from harness.cli import watch as work

    work.watch(name, as_json, wait=not no_wait)
