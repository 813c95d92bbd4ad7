"""Arguments and options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.model import duration

EXEC_SECONDS = 86400.0  # without --timeout a program may run for a day
RESULTS_CAP = 200 << 20
LOOK_SECONDS = 120.0  # how long a look waits for another command on the same testbed
CHANGE_SECONDS = 10.0  # and how long a change does


class When(StrEnum):
    """After which runs something is done: a testbed stays up, cases come once more."""

    NEVER = "never"
    FAILED = "failed"
    ALWAYS = "always"


def span(text: str) -> float:
    """Seconds, from what a user typed."""
    try:
        return duration.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def size(text: object) -> int:
    """Bytes, from what a user typed, or from a default, which is a number already."""
    from harness.model.sizes import parse_size

    word = str(text)
    try:
        return parse_size(int(word) if word.isdigit() else word)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def region_size(text: object) -> int:
    """Bytes that a region can have, from what a user typed, or from a default."""
    from harness.model import sizes

    try:
        return sizes.region_size(size(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


class Component(StrEnum):
    """What can be under test."""

    QEMU = "qemu"
    KERNEL = "kernel"
    LIBVIRT = "libvirt"
    AGENT = "agent"


Domain = Annotated[str, typer.Argument(help="Guest, or host.")]
Guest = Annotated[str, typer.Argument(help="Guest.")]
Inventory = Annotated[
    Path | None, typer.Option("--inventory", "-i", help="Real machines; default: the lab.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Kernel = Annotated[
    Path | None, typer.Option(metavar="BZIMAGE", help="A kernel for all guests instead of micro's.")
]
Initrd = Annotated[Path | None, typer.Option(help="Its initrd, used as it is.")]
Modules = Annotated[Path | None, typer.Option(help="Its lib/modules/RELEASE, put into micro's.")]
Append = Annotated[str, typer.Option(help="More of the kernel command line.")]
Qemu = Annotated[
    list[str], typer.Option(metavar="[HOST=]PATH", help="The QEMU of all hosts, or of one.")
]
Name = Annotated[str, typer.Argument(help="Testbed.")]
Testbed = Annotated[str, typer.Option("--testbed", "-t", help="Testbed.")]
Ttl = Annotated[
    float | None,
    typer.Option("--ttl", parser=span, metavar="TIME", help="It ends itself after so long: 2h."),
]
ResultsCap = Annotated[
    int,
    typer.Option(
        parser=size,
        metavar="SIZE",
        show_default="200 MiB",
        help="The run's largest logs lose their middles beyond so much.",
    ),
]
KeepResults = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Remove all but the N newest runs of this command."),
]
KeepWhen = Annotated[When, typer.Option("--keep", help="When the testbed stays up behind it.")]
Control = Annotated[
    When | None,
    typer.Option(help="Which cases come once more without grants, to tell whose a failure is."),
]
LAST_CASE = 1_000_000
Cases = Annotated[
    list[int] | None,
    typer.Option(help="Only the case of that number; may be repeated.", min=0, max=LAST_CASE),
]
Modes = Annotated[
    list[str] | None,
    typer.Option(help="Only in that mode of migration; may be repeated: docs/stress.md."),
]
Duration = Annotated[
    float | None,
    typer.Option(parser=span, metavar="TIME", help="So long, whatever the campaign says: 3min."),
]
Sut = Annotated[
    list[Component] | None,
    typer.Option(help="Under test: its crash is exit code 1, any other is 69."),
]
