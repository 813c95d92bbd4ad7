"""The measuring half of migrations.py; runs inside its lab."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console

from harness.cli import show
from harness.model.result import Migration, Stream
from harness.report.figures import Distribution
from harness.traffic.traffic import Traffic, judge, plain_plan
from tests.perf.standing import connect

SEED = 16
GOALS = {"own_ms": "p50 ≤ 200"}
TIMES = ("total_ms", "call_ms", "downtime_ms", "handover_out_ms", "handover_back_ms", "own_ms")


def report(moves: Sequence[Migration], streams: Sequence[Stream]) -> None:
    """What the moves took, and what became of the bytes."""
    made = show.table(
        f"{len(moves)} migrations under {len(streams) // 2} streams both ways, in ms",
        *("", ">p50", ">p99", ">max", "goal"),
    )
    for name in TIMES:
        took = Distribution.of(getattr(move, name) or None for move in moves)
        shares = (took.percentile(percent) or 0.0 for percent in (50, 99, 100))
        show.add(made, name, *(f"{share:.0f}" for share in shares), GOALS.get(name, ""))
    Console(width=80).print(made)
    verified = sum(stream.bytes_verified for stream in streams)
    wrong = ("lost", "duplicated", "reordered", "corrupted")
    counts = (f"{sum(getattr(stream, kind) for stream in streams)} {kind}" for kind in wrong)
    print(f"{verified:,} bytes verified: {', '.join(counts)}")


def main() -> int:
    """With the arguments of migrations.py; 1 when a stream is not whole."""
    given = dict(enumerate(map(int, sys.argv[1:])))
    testbed = connect()
    g1, g2 = testbed.guest("g1"), testbed.guest("g2")
    plans = plain_plan("flow", g1, g2, SEED, given.get(1, 16))
    traffic = Traffic(g1, g2, SEED, testbed.events, plans)
    traffic.start()
    moves = [
        testbed.migrate("g1", "h2" if g1.place.name == "h1" else "h1")
        for _ in range(given.get(0, 100))
    ]
    traffic.stop()
    streams = judge(plans, traffic.reports(), "g2")
    report(moves, streams)
    return 0 if all(stream.clean for stream in streams) else 1


if __name__ == "__main__":
    sys.exit(main())
