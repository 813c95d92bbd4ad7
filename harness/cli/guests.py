"""testbed exec, console, migrate: acting on a guest."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from harness.cli import inside, show
from harness.cli.look import Testbed
from harness.cli.main import app
from harness.cli.progress import Progress
from harness.cli.terminal import converse
from harness.events import EventLog
from harness.testbed.lock import exclusive

Guest = Annotated[str, typer.Argument(help="Guest.")]
EXEC_SECONDS = 3600.0


@app.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
def exec_(
    guest: Guest,
    command: Annotated[list[str], typer.Argument(help="Program and arguments, after --.")],
    testbed: Testbed = "lab",
    timeout: Annotated[float, typer.Option(help="Seconds.")] = EXEC_SECONDS,
) -> None:
    """Run a program in a guest; its output and exit code become ours."""
    argv = command[1:] if command[0] == "--" else command
    with inside.connected(testbed) as running:
        done = running.guest(guest).exec(argv, within=timeout, check=False)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    raise typer.Exit(done.returncode)


@app.command()
def migrate(
    guest: Guest,
    to: Annotated[str, typer.Option("--to", help="Destination host.")],
    testbed: Testbed = "lab",
    bandwidth: Annotated[int, typer.Option(help="At most so many MiB/s; 0: no limit.")] = 0,
) -> None:
    """Move a guest to another host; its open streams carry on."""
    console, events = Console(), EventLog()
    inside.enter(testbed)
    inside.stop_at_first_signal()
    with exclusive(testbed), inside.connected(testbed, events) as running:
        progress = Progress(console)
        progress.watch(events)
        try:
            moved = running.migrate(guest, to, bandwidth_mib=bandwidth)
        finally:
            progress.stop()
    console.print(show.migrations((moved,)))


@app.command()
def console(guest: Guest, testbed: Testbed = "lab") -> None:
    """The guest's serial console; Ctrl-] leaves it."""
    with inside.connected(testbed) as running:
        transport = running.guest(guest).domain.open_console()
        try:
            converse(transport)
        finally:
            transport.close()
