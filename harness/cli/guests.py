"""testbed exec, migrate: acting on a guest."""

from __future__ import annotations

import sys

from rich.console import Console

from harness.cli import reach, show
from harness.cli.commands.options import CHANGE_SECONDS
from harness.cli.progress import Progress
from harness.cli.signals import stop_at_first_signal
from harness.events import EventLog
from harness.model.migration_mode import limited_to
from harness.run import Completed


def execute(testbed: str, guest: str, argv: list[str], within: float) -> int:
    """Run a program in a guest, through qemu-guest-agent: works during a move, too."""
    with reach.reached(testbed) as running:
        return pass_on(running.guest(guest).exec(argv, within=within, check=False))


def pass_on(done: Completed) -> int:
    """Make a program's output ours; gives its exit code."""
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def migrate(testbed: str, guest: str, to: str, bandwidth_mib: int) -> None:
    """Move a guest to another host; its open streams carry on."""
    terminal, events = Console(), EventLog()
    stop_at_first_signal()
    with reach.held(testbed, CHANGE_SECONDS, events) as running:
        progress = Progress(terminal)
        progress.watch(events)
        try:
            moved = running.migrate(guest, to, mode=limited_to(bandwidth_mib))
        finally:
            progress.stop()
    terminal.print(show.migrations((moved,)))
