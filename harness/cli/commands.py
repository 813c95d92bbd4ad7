"""The command line as its users see it.

Each body imports what does the work when it is called: help comes at once, and `testbed doctor`
runs on a machine that has no libvirt yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="testbed",
    help="A multi-host QEMU/KVM testbed whose guests share memory and keep their streams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
EXEC_SECONDS = 3600.0
LOOK_SECONDS = 120.0  # how long a look waits for another command on the same testbed

Guest = Annotated[str, typer.Argument(help="Guest.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Testbed.")]
Testbed = Annotated[str, typer.Option("--testbed", "-t", help="Testbed.")]


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


@app.command()
def up(
    topology: Annotated[
        Path | None, typer.Argument(help="Topology file; default: the lab.")
    ] = None,
    recorded: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Bring a testbed up and leave it running."""
    from harness.cli import lifecycle

    lifecycle.apply_recorded(recorded) if recorded else lifecycle.up(topology)


@app.command()
def down(name: Name = "lab") -> None:
    """Take a testbed down; nothing of it is left."""
    from harness.cli import lifecycle

    lifecycle.down(name)


@app.command()
def gc() -> None:
    """Sweep what crashed runs left: only what carries a testbed's id and an owner record."""
    from harness.cli import lifecycle

    lifecycle.gc()


@app.command()
def doctor() -> None:
    """What this machine lacks, and the command that mends it.

    Exit code 1 when something is missing: here the machine is what is tested.
    """
    from harness.cli import doctor as work

    work.doctor()


@app.command()
def validate(topology: Annotated[Path, typer.Argument(help="Topology file.")]) -> None:
    """Check a topology file, and say what it describes."""
    from harness.cli import topologies

    topologies.validate(topology)


@app.command()
def ls(as_json: Json = False) -> None:
    """Every testbed here, and where its guests are."""
    from harness.cli import listing

    listing.ls(as_json)


@app.command()
def inspect(
    name: Name = "lab",
    as_json: Json = False,
    patience: Annotated[float, typer.Option(hidden=True)] = LOOK_SECONDS,
) -> None:
    """Hosts, guests, grants, links and streams of a testbed."""
    from harness.cli import look

    look.inspect(name, as_json, patience)


@app.command()
def streams(testbed: Testbed = "lab", as_json: Json = False) -> None:
    """Every open stream: its path, its bytes, its longest stall."""
    from harness.cli import look

    look.streams(testbed, as_json, LOOK_SECONDS)


@app.command()
def grants(testbed: Testbed = "lab", as_json: Json = False) -> None:
    """Who shares memory with whom, where, and which path each link takes."""
    from harness.cli import look

    look.grants(testbed, as_json, LOOK_SECONDS)


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
