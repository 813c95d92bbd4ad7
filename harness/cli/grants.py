"""testbed grant, revoke, release, manage: changing who shares memory while guests run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from harness.cli import reach
from harness.cli.commands.options import CHANGE_SECONDS
from harness.cli.progress import Progress
from harness.cli.signals import stop_at_first_signal
from harness.errors import UsageError
from harness.events import EventLog
from harness.grants.grant import Grant
from harness.model.grant_table import Pair
from harness.model.topology import GrantSpec, Policy
from harness.testbed import granting
from harness.testbed.testbed import Testbed

OUTCOMES = {
    "fallback": "open streams go on by {}, and no memory is shared any more",
    "reset": "open streams have ended, and the two know each other no more",
}


def grant(testbed: str, pair: Pair, size: int, policy: Policy) -> None:
    """Let two domains share memory, at once and whenever they meet."""
    if pair[0] == pair[1]:
        raise UsageError(f"a grant joins two domains, not {pair[0]} with itself")
    spec = GrantSpec(between=pair, size=size, policy=policy)
    with _changing(testbed) as running:
        made = granting.grant(running, spec)
    path = "they share memory" if made.region else f"they are on {_other(made)} until they meet"
    Console().print(f"{made.name} is granted: {path}")


def _other(grant: Grant | None) -> str:
    """The path where no memory is shared."""
    return "TCP" if grant is None or grant.network is not None else "relay"


def revoke(testbed: str, pair: Pair, policy: Policy | None) -> None:
    """Take the shared memory of two domains away."""
    first, second = sorted(pair)
    with _changing(testbed) as running:
        followed = granting.revoke(running, (first, second), policy)
        at_work = running.grant_between((first, second))
    outcome = OUTCOMES[followed].format(_other(at_work))
    Console().print(f"{first}-{second} is revoked: {outcome}", soft_wrap=True)


def release(testbed: str, guest: str) -> None:
    """Let go of a guest, to be moved by hand."""
    with _changing(testbed) as running:
        granting.release(running, guest)
        stay = running.guests[guest].place.name
    Console().print(
        f"{guest} is released: move it away from {stay} by hand; [bold]testbed watch[/] sees it "
        f"arrive, [bold]testbed manage {guest}[/] takes it back",
        soft_wrap=True,
    )


def manage(testbed: str, guest: str) -> None:
    """Take a released guest back."""
    with _changing(testbed) as running:
        granting.manage(running, guest)
        place = running.guests[guest].place.name
    Console().print(f"{guest} is managed again, on {place}")


@contextmanager
def _changing(testbed: str) -> Iterator[Testbed]:
    """The running testbed for us alone, with progress on the terminal."""
    events = EventLog()
    stop_at_first_signal()
    with reach.held(testbed, CHANGE_SECONDS, events) as running:
        progress = Progress(Console())
        progress.watch(events)
        try:
            yield running
        finally:
            progress.stop()
