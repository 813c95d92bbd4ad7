"""Tables fit 80 columns, and what guests say is never markup."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from harness.cli import show
from harness.cli.printable import printable
from harness.model.result import Migration, Phase, Stream

MOVE = Migration(
    guest="g1",
    source="h1",
    destination="h2",
    total_ms=12345.6,
    call_ms=9876.5,
    downtime_ms=321.0,
    handover_out_ms=123.0,
    handover_back_ms=123.0,
    detach_ms=1234.0,
    attach_ms=1234.0,
    own_ms=432.0,
    bytes_in_ring_at_fence=1023 << 10,
    bytes_resent=0,
)
PHASE = Phase(
    name="together again",
    path="shm",
    seconds=12.3,
    bytes=1023 << 20,
    longest_stall_ms=1234.0,
    probe_stall_ms=1234.0,
    downtime_ms=4321.0,
    network_bytes=0,
)


def stream(name: str) -> Stream:
    return Stream(
        name=name,
        from_="g1",
        to="g2",
        bytes_sent=12_345_678_901,
        bytes_verified=12_345_678_901,
        lost=0,
        duplicated=0,
        reordered=0,
        corrupted=0,
        longest_stall_ms=1.0,
        clean=True,
    )


OPEN = {
    "guest": "g1",
    "peer": "g2",
    "name": "chat",
    "role": "client",
    "path": "shm",
    "sent": 1023 << 10,
    "received": 1023 << 20,
    "longest_stall_ms": 12345.0,
}
GRANT = {
    "between": ["g1", "g2"],
    "path": "shm",
    "size": 32 << 20,
    "region": "domsock.lab-abc123.g1.g2.12",
    "host": "h1",
    "generation": 12,
}


def drawn(made: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=80, force_terminal=False).print(made)
    return out.getvalue()


@pytest.mark.parametrize(
    "made",
    [
        show.migrations((MOVE,)),
        show.phases((PHASE,)),
        show.streams((stream("s1"),)),
        show.open_streams([OPEN]),
        show.grants([GRANT]),
    ],
)
def test_a_row_takes_one_line(made: Table) -> None:
    made.caption = None
    assert len(drawn(made).splitlines()) == 3  # title, headings, the row


def test_what_a_guest_says_is_no_markup() -> None:
    assert "[red]x[/]" in drawn(show.streams((stream("[red]x[/]"),)))
    assert "[/oops]" in drawn(show.open_streams([{**OPEN, "name": "[/oops]"}]))


def test_what_a_guest_says_does_not_steer_the_terminal() -> None:
    assert "\x1b" not in drawn(show.open_streams([{**OPEN, "name": "\x1b[2J\x07"}]))
    assert printable("a\nb\x1b\u202ec") == "a\nb\\x1b\\u202ec"


@pytest.mark.parametrize(
    ("path", "revoked", "released", "said"),
    [
        ("tcp", False, False, "none: apart, on TCP"),
        ("tcp", True, False, "none: revoked, on TCP"),
        ("tcp", False, True, "none: released, on TCP"),
        ("none", True, False, "none: no link"),
    ],
)
def test_a_grant_without_a_region_says_why(
    path: str, revoked: bool, released: bool, said: str
) -> None:
    row = {**GRANT, "path": path, "region": None, "revoked": revoked, "released": released}
    assert said in drawn(show.grants([row]))
