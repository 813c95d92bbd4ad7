"""The command line as its users see it: a module per group of commands.

Each body imports what does the work when it is called: help comes at once, and `testbed doctor`
runs on a machine that has no libvirt yet.
"""

from __future__ import annotations

import typer

from harness.cli.commands import (
    grants,
    guest,
    image,
    job,
    life,
    look,
    machines,
    report,
    topology,
    watch,
)
from harness.cli.commands.everywhere import complete

app = typer.Typer(
    name="testbed",
    help="A multi-host QEMU/KVM testbed whose guests share memory and keep their streams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (job, life, topology, look, guest, grants, watch, machines, image, report):
    app.add_typer(complete(group.app))
