"""testbed up, down, gc: the life of a testbed that stays."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from harness import config
from harness.cli import inside, machines, outside, places, reach
from harness.cli.commands.options import CHANGE_SECONDS
from harness.cli.printable import printable
from harness.cli.progress import Progress
from harness.cli.signals import stop_at_first_signal
from harness.cli.topologies import read_topology
from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.images.micro import build_micro
from harness.model import duration
from harness.model.overrides import Overrides
from harness.model.topology import Topology
from harness.testbed import folders, record, sweep
from harness.testbed.apply import apply
from harness.testbed.lock import exclusive


def up(
    file: Path | None, given: Overrides, inventory: Path | None = None, ttl: float | None = None
) -> None:
    """Bring a testbed up and leave it running: in a lab, for `ttl` seconds if given, or on the
    machines of an inventory.
    """
    wanted = given.onto(read_topology(file))
    if inventory is not None:
        if ttl is not None:
            raise UsageError(
                "--ttl is for a lab", why="a lab ends itself; machines do not", fix="leave it out"
            )
        machines.up(wanted, inventory)
        return
    places.check("TESTBED_STATE", "TESTBED_CACHE")
    stop_at_first_signal()
    with exclusive(wanted.name):
        outside.refuse_if_taken(wanted.name)
        outside.check_machine(wanted)
        _start_and_keep(wanted, ttl)
    Console().print(f"{wanted.name} is up: [bold]testbed ls[/], [bold]testbed down[/] ends it")
    if ttl is not None:
        Console().print(f"it ends itself in {duration.short(ttl)}; [bold]testbed extend[/]")


def _start_and_keep(wanted: Topology, ttl: float | None = None) -> None:
    """Until it stands it is bound to us: whatever goes wrong takes it down."""
    events, progress = EventLog(), Progress(Console())
    progress.watch(events)
    try:
        _, lab = outside.start(wanted, events)
        progress.stop()
        code = inside.run_inside(lab, ["up", "--recorded", wanted.name])
        if code:
            raise typer.Exit(code)  # it has said why
        lab.keep(ttl, folders.folder_of(wanted.name))
    except BaseException:
        progress.stop()
        outside.stop(wanted.name, events)
        raise


def apply_recorded(name: str) -> None:
    """The inner half of `up`: what is asked for stands in the record."""
    stop_at_first_signal()
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} is gone", fix="testbed gc")
    events = EventLog(found.folder / "events.jsonl")
    progress = Progress(Console())
    progress.watch(events)
    image = build_micro(config.cache_dir(), config.REPOSITORY, events)
    try:
        apply(found, reach.hosts_of(name), image, events).close()
    finally:
        progress.stop()


def down(name: str) -> None:
    """Take a testbed down; nothing of it is left."""
    stop_at_first_signal()
    with exclusive(name, patience=CHANGE_SECONDS, waiting=inside.say_waiting(name)):
        record.ours(name)
        events = EventLog()
        Progress(Console()).watch(events)
        outside.stop(name, events)


def extend(name: str, seconds: float) -> None:
    """Let a testbed end itself so many seconds from now, whatever was said before."""
    record.ours(name)
    inside.running_lab(name).extend(seconds)
    Console().print(f"{name} ends itself in {duration.short(seconds)}")


def gc() -> None:
    """Sweep what crashed runs left: only what carries a testbed's id and an owner record."""
    show_report(sweep.sweep(exclusive, lambda name: outside.stop(name, EventLog())))


def show_report(report: sweep.Report) -> None:
    """What was swept, and what was left alone."""
    console = Console()
    for line in report.swept:
        console.print(Text.assemble(("swept", "green"), f" {printable(line)}"), soft_wrap=True)
    for line in report.left:
        console.print(
            Text.assemble(("left alone", "yellow"), f" {printable(line)}"), soft_wrap=True
        )
    if not report.swept and not report.left:
        console.print("nothing to sweep")
