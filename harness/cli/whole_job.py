"""A whole job from outside: a lab of its own around an inner half, and how it ended."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from harness.cli import inside, keeping, outside
from harness.cli.commands.options import Keep
from harness.cli.deadline import Overtime
from harness.cli.main import INTERRUPTED
from harness.cli.progress import Progress
from harness.errors import TestbedError
from harness.events import EventLog
from harness.model.topology import Topology
from harness.testbed.lock import exclusive


def in_a_lab(
    topology: Topology,
    folder: Path,
    arguments: list[str],
    console: Console,
    keep: Keep = Keep.NEVER,
    ttl: float | None = None,
) -> int:
    """Start a lab, run a testbed command in it, take everything down unless it is to stay, for
    `ttl` seconds if given. Gives the command's exit code.
    """
    events = EventLog(folder / "events.jsonl")
    progress = Progress(console)
    progress.watch(events)
    kept = False
    try:
        with exclusive(topology.name):
            try:
                _, lab = outside.start(topology, events)
                progress.stop()
                code = inside.run_inside(lab, arguments)
                if keeping.wanted(keep, code):
                    keeping.keep(lab, topology.name, ttl)
                    kept = True
                return code
            finally:
                if not kept:
                    outside.stop(topology.name, events)
    finally:
        progress.stop()
        events.close()


def exit_code(error: BaseException) -> int:
    """The exit code that an error stands for."""
    if isinstance(error, KeyboardInterrupt) and not isinstance(error, Overtime):
        return INTERRUPTED
    return error.exit_code if isinstance(error, TestbedError) else TestbedError.exit_code


def reason(code: int, error: BaseException | None) -> str:
    """Why a run did not end well, in a sentence; nothing when it did."""
    if code == INTERRUPTED:
        return "interrupted"
    if error is not None:
        return str(error) or type(error).__name__
    return f"the run ended with exit code {code}" if code else ""
