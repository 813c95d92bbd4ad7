"""Whole jobs: they bring a testbed up, use it, judge, and take it down."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.commands.options import (
    RESULTS_CAP,
    Append,
    Initrd,
    Keep,
    KeepResults,
    KeepWhen,
    Kernel,
    Modules,
    Qemu,
    ResultsCap,
    Sut,
    Ttl,
)

app = typer.Typer()


@app.command()
def demo(
    seed: Annotated[int | None, typer.Option(help="Repeat a run's byte patterns.")] = None,
    seconds: Annotated[float, typer.Option(help="Seconds on each path.", min=0.2)] = 4.0,
    kernel: Kernel = None,
    initrd: Initrd = None,
    modules: Modules = None,
    append: Append = "",
    qemu: Qemu = [],  # noqa: B006 - typer's own copy
    sut: Sut = None,
    keep: KeepWhen = Keep.NEVER,
    ttl: Ttl = None,
    results_cap: ResultsCap = RESULTS_CAP,
    keep_results: KeepResults = None,
    run_id: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Two hosts, two guests, streams, a live migration there and back, and a verdict."""
    from harness.cli import demo as work
    from harness.cli.topologies import overrides

    if run_id:
        raise typer.Exit(work.inner_half(run_id, seed or 0, seconds))
    tested = tuple(part.value for part in sut or ())
    given = overrides(kernel, initrd, modules, append, qemu)
    wishes = work.Wishes(seed, seconds, given, tested, keep, ttl, results_cap, keep_results)
    raise typer.Exit(work.demo(wishes))


@app.command()
def selftest() -> None:
    """Is this machine, its KVM and its QEMU good enough? Figures of a short run, and a verdict."""
    from harness.cli import selftest as work

    raise typer.Exit(work.selftest())


@app.command()
def stress(
    campaign: Annotated[str, typer.Argument(help="smoke, soak, or a campaign file.")] = "smoke",
    seed: Annotated[int | None, typer.Option(help="Other cases; the same again.", min=0)] = None,
    case: Annotated[
        list[int] | None, typer.Option(help="Only the case of that number; may be repeated.")
    ] = None,
    migrations: Annotated[
        int | None, typer.Option(help="So many, whatever the campaign says.", min=1)
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="So long, whatever the campaign says.", min=1)
    ] = None,
    run_id: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Migrations under load in every mode, each one checked, and a verdict."""
    from harness.cli import stress as work

    asked = work.Asked(campaign, seed, tuple(case or ()), migrations, seconds)
    raise typer.Exit(work.inner_half(asked, run_id) if run_id else work.stress(asked))
