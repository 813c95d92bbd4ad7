"""Acting on one guest."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.commands.options import EXEC_SECONDS, Guest, Testbed

app = typer.Typer()


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
    from harness.cli import guests

    argv = command[1:] if command[0] == "--" else command
    raise typer.Exit(guests.execute(testbed, guest, argv, timeout))


@app.command()
def migrate(
    guest: Guest,
    to: Annotated[str, typer.Option("--to", help="Destination host.")],
    testbed: Testbed = "lab",
    bandwidth: Annotated[int, typer.Option(help="At most so many MiB/s; 0: no limit.", min=0)] = 0,
) -> None:
    """Move a guest to another host; its open streams carry on."""
    from harness.cli import guests

    guests.migrate(testbed, guest, to, bandwidth)


@app.command()
def console(guest: Guest, testbed: Testbed = "lab") -> None:
    """The guest's serial console; Ctrl-] leaves it."""
    from harness.cli import guests

    guests.console(testbed, guest)
