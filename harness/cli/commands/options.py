"""Arguments and options that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

EXEC_SECONDS = 3600.0
LOOK_SECONDS = 120.0  # how long a look waits for another command on the same testbed

Guest = Annotated[str, typer.Argument(help="Guest.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Testbed.")]
Testbed = Annotated[str, typer.Option("--testbed", "-t", help="Testbed.")]
