"""The measuring half of migrations.py; runs inside its lab."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from rich.console import Console

from harness import clock
from harness.campaign.resources import Resources
from harness.cli import show
from harness.guests.guest import Guest
from harness.model.campaign_result import Resource
from harness.model.result import Migration, Stream
from harness.report.figures import Distribution
from harness.traffic.harvest import Harvest, harvest_argv, parse_harvest
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


def size_of(guest: Guest) -> Harvest:
    """Memory and descriptors of the agent in it."""
    return parse_harvest(guest.exec(harvest_argv({}, patterns=False)).stdout)


def report_growth(resources: Sequence[Resource]) -> None:
    """What has to stay flat: the medians of its first and of its last quarter."""
    made = show.table("what must not grow", "", ">first quarter", ">last quarter", "flat")
    for one in resources:
        quarter = max(1, len(one.values) // 4)
        ends = (median(one.values[:quarter]), median(one.values[-quarter:]))
        shown = (
            f"{end / (1 << 20):.1f} MiB" if one.unit == "bytes" else f"{end:g}" for end in ends
        )
        show.add(made, one.name, *shown, one.why or "yes")
    Console(width=100).print(made)


def main() -> int:
    """With the arguments of migrations.py; 1 when a stream is not whole, or something grows."""
    given = dict(enumerate(map(int, sys.argv[1:])))
    testbed = connect()
    g1, g2 = testbed.guest("g1"), testbed.guest("g2")
    plans = plain_plan("flow", g1, g2, SEED, given.get(1, 16))
    traffic = Traffic(g1, g2, SEED, testbed.events, plans)
    traffic.start()
    moves = []
    watched = Resources((place.host for place in testbed.places.values()), clock.now())
    for _ in range(given.get(0, 100)):
        moves.append(testbed.migrate("g1", "h2" if g1.place.name == "h1" else "h1"))
        watched.sample({guest.name: size_of(guest) for guest in (g1, g2)})
    traffic.stop()
    streams, resources = judge(plans, traffic.reports(), "g2"), watched.judged()
    report(moves, streams)
    report_growth(resources)
    good = all(stream.clean for stream in streams) and all(one.flat for one in resources)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
