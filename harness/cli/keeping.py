"""A testbed that stays up behind a run, and how to get into it."""

from __future__ import annotations

from rich.console import Console

from harness.cli.commands.options import When
from harness.errors import INTERRUPTED
from harness.hosts.lab.lab import Lab
from harness.model import duration
from harness.testbed import record
from harness.testbed.record import TestbedRecord


def wanted(keep: When, code: int) -> bool:
    """Whether a run that ended with that exit code leaves its testbed: never after Ctrl-C."""
    if code == INTERRUPTED:
        return False
    return keep is When.ALWAYS or (keep is When.FAILED and code != 0)


def keep(lab: Lab, name: str, ttl: float | None) -> None:
    """Make it one that stays, as `testbed up` does. What stands of it can be reached."""
    found = record.ours(name)
    found.model_copy(update={"state": "up"}).write()
    lab.keep(ttl, found.folder)


def say(console: Console, found: TestbedRecord, ttl: float | None) -> None:
    """The commands to get in, and out again."""
    guest, name = next(iter(found.topology.guests), ""), found.name
    ways = [f"testbed inspect {name}", f"testbed logs -t {name}", f"testbed repl -t {name}"]
    if guest:
        ways[1:1] = [f"testbed {way} {guest} -t {name}" for way in ("ssh", "console")]
    until = f", and ends itself in {duration.short(ttl)}" if ttl is not None else ""
    console.print(f"\n{name} stays up{until}:", highlight=False)
    for way in (*ways, f"testbed down {name}"):
        console.print(f"  {way}", highlight=False, soft_wrap=True)
