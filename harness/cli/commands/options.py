"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.model import duration

EXEC_SECONDS = 3600.0
LOOK_SECONDS = 120.0  # how long a look waits for another command on the same testbed

Guest = Annotated[str, typer.Argument(help="Guest.")]
Inventory = Annotated[
    Path | None, typer.Option("--inventory", "-i", help="Real machines; default: the lab.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Kernel = Annotated[
    Path | None, typer.Option(metavar="BZIMAGE", help="A kernel for all guests instead of micro's.")
]
Initrd = Annotated[Path | None, typer.Option(help="Its initrd, used as it is.")]
Modules = Annotated[Path | None, typer.Option(help="Its lib/modules/RELEASE, put into micro's.")]
Append = Annotated[str, typer.Option(help="More of the kernel command line.")]
Qemu = Annotated[
    list[str], typer.Option(metavar="[HOST=]PATH", help="The QEMU of all hosts, or of one.")
]
Name = Annotated[str, typer.Argument(help="Testbed.")]
Testbed = Annotated[str, typer.Option("--testbed", "-t", help="Testbed.")]


def span(text: str) -> float:
    """Seconds, from what a user typed."""
    try:
        return duration.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
