"""How long it takes until a move that nobody has announced is noticed.

Run by hand: `python tests/agent/detection.py [TIMES]`. A region under two agents turns into what a
pulled device shows, or into the private copy that a guest takes along (tests/lab/stale_copy.py has
that one with real guests); with streams that are busy, and with one that says nothing. Told is how
long it takes until an agent knows, for which the goal is 2 s, and until both have left the region.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

from agents import Agent, Pair, standing_pair, wait_until
from programs import await_motion, both_ways, finish_all, open_streams
from remapped import make_private, pull_device

from harness import clock
from harness.report.figures import Distribution

GOAL_S = 2.0
SURPRISES: dict[str, Callable[[Agent, Path], None]] = {
    "pulled device": pull_device,
    "private copy": make_private,
}


def noticed(pair: Pair) -> int:
    """How often an agent has said that a region is not what it was."""
    return sum(agent.log.read_text().count("; going on by tcp") for agent in (pair.g1, pair.g2))


def has_left(agent: Agent) -> bool:
    """Whether its link is on tcp, and at rest."""
    link = agent.link()
    return (link["path"], link["phase"]) == ("tcp", "idle")


def happen(
    pair: Pair, surprise: Callable[[Agent, Path], None], dice: random.Random
) -> tuple[float, float]:
    """Seconds until an agent knows, and until both are on tcp; it happens at any moment between two
    heartbeats.
    """
    pair.share_memory()
    before, moment = noticed(pair), clock.Deadline(dice.uniform(0.1, 1.1))
    clock.wait_until(lambda: moment.expired, within=5, what="the moment", every=0.001)
    surprise(dice.choice((pair.g1, pair.g2)), pair.region[0])
    begun = clock.now()
    wait_until(lambda: noticed(pair) > before, "an agent knows")
    known = clock.now()
    for agent in (pair.g1, pair.g2):
        wait_until(lambda a=agent: has_left(a), f"{agent.name} has left the region")
    pair.region[0].unlink()
    return known - begun, clock.now() - begun


def show(name: str, load: str, what: str, seconds: list[float]) -> None:
    """One line, as a distribution."""
    spread = Distribution.of(seconds)
    p50, p99, most = (spread.percentile(percent) or 0.0 for percent in (50, 99, 100))
    line = f"{name}, {load:15} {what:5}  p50 {p50:5.2f} s  p99 {p99:5.2f} s  max {most:5.2f} s"
    print(f"{line}  ({len(seconds)} times)", flush=True)


def measure(name: str, streams: int, times: int) -> None:
    """With so many busy streams; with none one is open that says nothing."""
    with standing_pair("/dev/shm") as pair:
        pair.connect()
        ends = open_streams(pair, streams or 1)
        flows = both_ways(ends) if streams else []
        await_motion(flows)
        dice = random.Random(times)
        took = [happen(pair, SURPRISES[name], dice) for _ in range(times)]
        finish_all(flows)
    load = f"{streams} busy streams" if streams else "an idle stream"
    for what, seconds in zip(("known", "left"), zip(*took, strict=True), strict=True):
        show(name, load, what, list(seconds))


def main() -> None:
    """Run with the arguments of the command line."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"a region that turns: goal for known: {GOAL_S:g} s")
    for name, streams in product(SURPRISES, (0, 4)):
        measure(name, streams, times)


if __name__ == "__main__":
    main()
