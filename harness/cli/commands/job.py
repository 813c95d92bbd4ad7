"""Whole jobs: they bring a testbed up, use it, judge, and take it down."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def demo(
    seed: Annotated[int | None, typer.Option(help="Repeat a run's byte patterns.")] = None,
    seconds: Annotated[float, typer.Option(help="Seconds on each path.", min=0.2)] = 4.0,
    run_id: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Two hosts, two guests, streams, a live migration there and back, and a verdict."""
    from harness.cli import demo as work

    if run_id:
        raise typer.Exit(work.inner_half(run_id, seed or 0, seconds))
    raise typer.Exit(work.demo(seed, seconds))
