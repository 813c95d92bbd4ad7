"""Who may share memory, changed while the testbed runs; and who is moved by hand."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from harness.cli.commands.entering import entered
from harness.cli.commands.options import CHANGE_SECONDS, Domain, Guest, Testbed, region_size

app = typer.Typer()


class Policy(StrEnum):
    """What becomes of open streams when a grant is revoked."""

    FALLBACK = "fallback"
    RESET = "reset"


@app.command()
def grant(
    one: Domain,
    other: Domain,
    testbed: Testbed = "lab",
    size: Annotated[
        int,
        typer.Option(
            parser=region_size, metavar="SIZE", show_default="32 MiB", help="Of the region."
        ),
    ] = 32 << 20,
    policy: Annotated[
        Policy, typer.Option(help="Revoked, streams go on by TCP, or end.")
    ] = Policy.FALLBACK,
) -> None:
    """Let two guests, or a guest and a host, share memory, at once and whenever they meet."""
    entered(testbed, CHANGE_SECONDS)
    from harness.cli import grants

    grants.grant(testbed, (one, other), size, policy.value)


@app.command()
def revoke(
    one: Domain,
    other: Domain,
    testbed: Testbed = "lab",
    policy: Annotated[
        Policy | None, typer.Option(help="Another one than the grant was made with.")
    ] = None,
) -> None:
    """Take the shared memory of two domains away; the grant's policy says what streams feel."""
    entered(testbed, CHANGE_SECONDS)
    from harness.cli import grants

    grants.revoke(testbed, (one, other), None if policy is None else policy.value)


@app.command()
def release(guest: Guest, testbed: Testbed = "lab") -> None:
    """Let go of a guest, to move it by hand (virsh migrate): its streams go on by TCP."""
    entered(testbed, CHANGE_SECONDS)
    from harness.cli import grants

    grants.release(testbed, guest)


@app.command()
def manage(guest: Guest, testbed: Testbed = "lab") -> None:
    """Take a released guest back, moved or not."""
    entered(testbed, CHANGE_SECONDS)
    from harness.cli import grants

    grants.manage(testbed, guest)
