"""testbed doctor: is this machine good enough for the default lab?"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from harness.cli import show
from harness.cli.printable import printable
from harness.errors import SubjectFailed
from harness.hosts.checks import all_checks
from harness.model.topology import lab_topology
from harness.testbed import capacity


def doctor() -> None:
    """Show every check. Raises SubjectFailed when one fails: the machine is what is tested."""
    console, made = Console(), show.table("Is this machine good enough?", "", "check", "found")
    checks = all_checks(capacity.needs(lab_topology()))
    for check in checks:
        mark = Text("✓", "green") if check.ok else Text("✗", "red")
        show.add(made, mark, check.name, check.found)
    console.print(made)
    lacking = [check for check in checks if not check.ok]
    for check in lacking:  # not in the table, which would break what is meant to be copied
        next_step = Text(f"{check.name}: {printable(check.fix)}")
        console.print(next_step, highlight=False, soft_wrap=True)
    if lacking:
        names = ", ".join(check.name for check in lacking)
        raise SubjectFailed(f"this machine lacks: {names}")
