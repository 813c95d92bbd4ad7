"""Images of guests, and the agent's package: made into the cache, or to be had as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
image = typer.Typer(help="Images of guests, and the agent's package.", no_args_is_help=True)
app.add_typer(image, name="image")


@image.command()
def build(
    name: Annotated[str, typer.Argument(help="micro, debian or cloud.")] = "micro",
    refresh: Annotated[bool, typer.Option(help="Use the newest packages.")] = False,
) -> None:
    """Build an image into the cache, or find it there, and print where it lies.

    `cloud` is the disk of `debian` without the agent: what a cloud image is.
    """
    from harness.cli import images

    images.build(name, refresh)


@image.command()
def deb(
    to: Annotated[Path, typer.Option(help="The folder to put it into.")] = Path("build"),
) -> None:
    """Build the agent's Debian package."""
    from harness.cli import images

    images.deb(to)
