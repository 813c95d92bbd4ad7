"""testbed up, down, gc, doctor, validate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import config
from harness.cli import inside, outside, show
from harness.cli.main import app
from harness.cli.progress import Progress
from harness.errors import SubjectFailed, TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.checks import all_checks
from harness.images.micro import build_micro
from harness.model.topology import Topology, lab_topology
from harness.model.topology_text import parse
from harness.testbed import record, sweep
from harness.testbed.apply import apply
from harness.testbed.lock import exclusive

TopologyFile = Annotated[Path | None, typer.Argument(help="Topology file; default: the lab.")]
Name = Annotated[str, typer.Argument(help="Testbed.")]


def read_topology(file: Path | None) -> Topology:
    """The topology of a file, or the lab's. Raises UsageError."""
    if file is None:
        return lab_topology()
    try:
        return parse(file.read_text(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", why=str(error)) from None


@app.command()
def up(topology: TopologyFile = None) -> None:
    """Bring a testbed up and leave it running."""
    wanted = read_topology(topology)
    if inside.is_inside():
        _apply_inside(wanted.name)
        return
    console = Console()
    events = EventLog()
    progress = Progress(console)
    progress.watch(events)
    with exclusive(wanted.name):
        outside.refuse_if_up(wanted.name)
        outside.check_machine(wanted)
        try:
            _, lab = outside.start(wanted, events)
            progress.stop()
            arguments = ["up", *([str(topology)] if topology else [])]
            code = inside.run_inside(lab, arguments)
            if code:
                raise typer.Exit(code)
            lab.keep()
        except BaseException:
            progress.stop()
            outside.stop(wanted.name, events)
            raise
    console.print(f"{wanted.name} is up: [bold]testbed ls[/], [bold]testbed down[/] ends it")


def _apply_inside(name: str) -> None:
    inside.stop_at_first_signal()
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} is gone", fix="testbed gc")
    events = EventLog(found.folder / "events.jsonl")
    progress = Progress(Console())
    progress.watch(events)
    image = build_micro(config.cache_dir(), config.REPOSITORY, events)
    try:
        apply(found, inside.hosts_of(name), image, events).close()
    finally:
        progress.stop()


@app.command()
def down(name: Name = "lab") -> None:
    """Take a testbed down; nothing of it is left."""
    with exclusive(name):
        record.ours(name)
        events = EventLog()
        Progress(Console()).watch(events)
        outside.stop(name, events)


@app.command()
def gc() -> None:
    """Sweep what crashed runs left: only what carries a testbed's id and an owner record."""
    console = Console()
    report = sweep.sweep(exclusive, lambda name: outside.stop(name, EventLog()))
    for line in report.swept:
        console.print(f"[green]swept[/] {line}", highlight=False)
    for line in report.left:
        console.print(f"[yellow]left alone[/] {line}", highlight=False)
    if not report.swept and not report.left:
        console.print("nothing to sweep")


@app.command()
def doctor() -> None:
    """What this machine lacks, and the command that mends it."""
    made = show.table("Is this machine good enough?", "", "check", "found", "next step")
    checks = all_checks()
    for check in checks:
        mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
        made.add_row(mark, check.name, check.found, "" if check.ok else check.fix)
    Console().print(made)
    lacking = [check.name for check in checks if not check.ok]
    if lacking:
        raise SubjectFailed(f"this machine lacks: {', '.join(lacking)}")


@app.command()
def validate(topology: Annotated[Path, typer.Argument(help="Topology file.")]) -> None:
    """Check a topology file, and say what it describes."""
    found = read_topology(topology)
    Console().print(
        f"{found.name}: {len(found.hosts)} hosts, {len(found.guests)} guests, "
        f"{len(found.grants)} grants",
        highlight=False,
    )
