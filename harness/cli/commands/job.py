"""Whole jobs: they bring a testbed up, use it, judge, and take it down."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.commands.options import (
    RESULTS_CAP,
    Append,
    Cases,
    Control,
    Duration,
    Initrd,
    KeepResults,
    KeepWhen,
    Kernel,
    Modes,
    Modules,
    Qemu,
    ResultsCap,
    Sut,
    Ttl,
    When,
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
    keep: KeepWhen = When.NEVER,
    ttl: Ttl = None,
    results_cap: ResultsCap = RESULTS_CAP,
    keep_results: KeepResults = None,
    run_id: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Two hosts, two guests, streams, a live migration there and back, and a verdict."""
    from harness.cli import demo as work
    from harness.cli.topologies import overrides
    from harness.cli.whole_job import Wishes

    if run_id:
        raise typer.Exit(work.inner_half(run_id, seed or 0, seconds))
    given = overrides(kernel, initrd, modules, append, qemu)
    wishes = Wishes(given, keep, ttl, results_cap, keep_results)
    tested = tuple(part.value for part in sut or ())
    raise typer.Exit(work.demo(work.Asked(seed, seconds, tested, wishes)))


@app.command()
def selftest() -> None:
    """Is this machine, its KVM and its QEMU good enough? Figures of a short run, and a verdict."""
    from harness.cli import selftest as work

    raise typer.Exit(work.selftest())


@app.command()
def stress(
    campaign: Annotated[str, typer.Argument(help="smoke, soak, or a campaign file.")] = "smoke",
    seed: Annotated[int | None, typer.Option(help="Other cases; the same again.", min=0)] = None,
    case: Cases = None,
    mode: Modes = None,
    migrations: Annotated[
        int | None, typer.Option(help="So many, whatever the campaign says.", min=1)
    ] = None,
    duration: Duration = None,
    control: Control = None,
    kernel: Kernel = None,
    initrd: Initrd = None,
    modules: Modules = None,
    append: Append = "",
    qemu: Qemu = [],  # noqa: B006 - typer's own copy
    sut: Sut = None,
    keep: KeepWhen = When.NEVER,
    ttl: Ttl = None,
    results_cap: ResultsCap = RESULTS_CAP,
    keep_results: KeepResults = None,
    run_id: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Migrations under load in every mode, each one checked, and a verdict."""
    from harness.cli import stress as work
    from harness.cli.topologies import overrides
    from harness.cli.whole_job import Wishes

    given = overrides(kernel, initrd, modules, append, qemu)
    asked = work.Asked(
        campaign=campaign,
        seed=seed,
        only=tuple(case or ()),
        modes=tuple(mode or ()),
        migrations=migrations,
        duration=duration,
        control=control.value if control else None,
        sut=tuple(part.value for part in sut or ()),
        wishes=Wishes(given, keep, ttl, results_cap, keep_results),
    )
    raise typer.Exit(work.inner_half(asked, run_id) if run_id else work.stress(asked))
