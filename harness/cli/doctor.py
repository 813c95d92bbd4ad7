"""testbed doctor: is this machine good enough for the default lab? Are these ones good hosts?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.cli import show
from harness.cli.printable import printable
from harness.errors import SubjectFailed, UsageError
from harness.hosts.checks import Check, all_checks
from harness.model.topology import lab_topology
from harness.testbed import capacity


def doctor() -> None:
    """This machine. Raises SubjectFailed when a check fails: the machine is what is tested."""
    _tell("Is this machine good enough?", all_checks(capacity.needs(lab_topology())))


def hosts(name: str | None, inventory: Path | None) -> None:
    """The machines of an inventory, or the hosts of a testbed that runs; see `doctor`."""
    if name is not None and inventory is not None:
        raise UsageError("name a testbed or an inventory, not both")
    from harness.cli import machines  # libvirt: this machine may have none yet

    found = machines.examine(name, inventory)
    _tell("Are these good hosts?", found)


def _tell(title: str, checks: Sequence[Check]) -> None:
    console, made = Console(), show.table(title, "", "check", "found")
    for check in checks:
        mark = Text("✓", "green") if check.ok else Text("✗", "red")
        show.add(made, mark, check.name, check.found)
    console.print(made)
    _refuse(console, [check for check in checks if not check.ok])


def _refuse(console: Console, lacking: Iterable[Check]) -> None:
    """What mends each; not in the table, which would break what is meant to be copied."""
    names = []
    for check in lacking:
        next_step = Text(f"{check.name}: {printable(check.fix)}")
        console.print(next_step, highlight=False, soft_wrap=True)
        names.append(check.name)
    if names:
        raise SubjectFailed(f"this is lacking: {', '.join(names)}")
