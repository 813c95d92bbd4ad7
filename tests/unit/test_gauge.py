"""What running streams felt is read bit by bit, and each bit once."""

from __future__ import annotations

import json
from typing import Any

from harness.errors import TestbedError
from harness.run import Completed
from harness.traffic.gauge import Gauge


class Reporting:
    """A guest whose oracle writes `report`; `busy` makes it answer nothing."""

    name = "g1"

    def __init__(self) -> None:
        self.report, self.busy, self.read = "", False, 0

    def exec(self, argv: list[str], *, check: bool) -> Completed:
        assert argv[:2] == ["tail", "-c"] and argv[3] == "/run/oracle/s1.jsonl" and not check
        if self.busy:
            raise TestbedError("it moves")
        text = self.report[int(argv[2]) - 1 :]
        self.read += len(text)
        return Completed(tuple(argv), 0, text, "")

    def notes(self, stall: float, verified: int = 1) -> None:
        stalls = {"receive_stall_ms": stall, "send_stall_ms": 0.0}
        line = {"monotonic_ns": 1, "sent": 5, "verified": verified, "ended": False, **stalls}
        self.report += json.dumps(line) + "\n"

    def ends(self, **counts: int) -> None:
        zero: dict[str, Any] = dict.fromkeys(("lost", "duplicated", "reordered", "corrupted"), 0)
        line = {"final": True, "bytes_sent": 5, "bytes_verified": 5, "eof": True, **zero, **counts}
        self.report += json.dumps(line) + "\n"


def gauge(guest: Reporting) -> Gauge:
    return Gauge([(guest, "s1")])  # type: ignore[list-item]


def test_only_what_came_since_counts_and_the_longest_stays() -> None:
    guest = Reporting()
    guest.notes(9000.0)
    looking = gauge(guest)
    [felt] = looking.read()
    assert felt.longest_stall_ms == 0.0
    for stall in (20.0, 300.0, 40.0):
        guest.notes(stall, verified=7)
        looking.read()
    [felt] = looking.read()
    assert (felt.longest_stall_ms, felt.verified, felt.over) == (300.0, 7, False)
    assert guest.read == len(guest.report), "every byte of the report is read once"


def test_a_half_line_is_read_when_it_is_whole() -> None:
    guest = Reporting()
    looking = gauge(guest)
    guest.notes(50.0)
    whole, guest.report = guest.report, guest.report[:-10]
    assert looking.read()[0].longest_stall_ms == 0.0
    guest.report = whole
    assert looking.read()[0].longest_stall_ms == 50.0


def test_who_is_away_or_busy_is_read_later() -> None:
    guest = Reporting()
    looking = gauge(guest)
    guest.notes(50.0)
    assert looking.read(away=("g1",))[0].longest_stall_ms == 0.0
    guest.busy = True
    assert looking.read()[0].longest_stall_ms == 0.0
    guest.busy = False
    assert looking.read()[0].longest_stall_ms == 50.0


def test_an_end_that_is_over_says_so_and_counts_the_damage() -> None:
    guest = Reporting()
    looking = gauge(guest)
    guest.ends(lost=3, corrupted=4)
    [felt] = looking.read()
    assert (felt.over, felt.damage) == (True, 7)
