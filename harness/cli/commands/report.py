"""Reports of runs that are over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run's folder, or its summary.json.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: report.html beside it.")
    ] = None,
) -> None:
    """Render a saved run's report again, and print its summary."""
    from harness.cli import report as work

    work.report(run, output)
