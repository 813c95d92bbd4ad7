"""Acting on one guest."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.commands.entering import entered
from harness.cli.commands.options import CHANGE_SECONDS, EXEC_SECONDS, Guest, Testbed

app = typer.Typer()
VERBATIM = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def after_dashes(command: list[str]) -> list[str]:
    """The command itself, without the -- before it."""
    return command[1:] if command[:1] == ["--"] else command


@app.command("exec", context_settings=VERBATIM)
def exec_(
    guest: Guest,
    command: Annotated[list[str], typer.Argument(help="Program and arguments, after --.")],
    testbed: Testbed = "lab",
) -> None:
    """Run a program in a guest; its output and exit code become ours."""
    entered(testbed)
    from harness.cli import guests

    raise typer.Exit(guests.execute(testbed, guest, after_dashes(command), EXEC_SECONDS))


@app.command()
def migrate(
    guest: Guest,
    to: Annotated[str, typer.Option("--to", help="Destination host.")],
    testbed: Testbed = "lab",
    bandwidth: Annotated[int, typer.Option(help="At most so many MiB/s; 0: no limit.", min=0)] = 0,
) -> None:
    """Move a guest to another host; its open streams carry on."""
    entered(testbed, CHANGE_SECONDS)
    from harness.cli import guests

    guests.migrate(testbed, guest, to, bandwidth)


@app.command()
def ssh(
    guest: Guest,
    command: Annotated[list[str] | None, typer.Argument(help="A command, after --.")] = None,
    testbed: Testbed = "lab",
) -> None:
    """A shell in a guest: by its sshd if it has one, else on its serial console."""
    entered(testbed)
    from harness.cli import login

    raise typer.Exit(login.ssh(testbed, guest, command or [], EXEC_SECONDS))


@app.command()
def console(
    guest: Guest,
    testbed: Testbed = "lab",
    log: Annotated[bool, typer.Option("--log", help="Print all it ever said, and end.")] = False,
) -> None:
    """The guest's serial console; Ctrl-] leaves it."""
    entered(testbed)
    from harness.cli import login

    login.console(testbed, guest, log)


@app.command()
def cp(
    source: Annotated[str, typer.Argument(help="FILE, or g1:/path.")],
    destination: Annotated[str, typer.Argument(help="FILE, or g1:/path.")],
    testbed: Testbed = "lab",
) -> None:
    """Copy a file to a guest or host, or back: whole or not at all."""
    entered(testbed)
    from harness.cli import copying

    copying.copy(testbed, source, destination)


@app.command()
def logs(
    of: Annotated[str, typer.Argument(help="Guest or host; default: all.")] = "",
    testbed: Testbed = "lab",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
) -> None:
    """What guests, agents, libvirt and QEMU wrote."""
    entered(testbed)
    from harness.cli import logs as work

    work.logs(testbed, of, follow)


@app.command()
def repl(testbed: Testbed = "lab") -> None:
    """A Python prompt with the testbed, its guests and its hosts."""
    entered(testbed, CHANGE_SECONDS)
    from harness.cli import repl as work

    work.repl(testbed)
