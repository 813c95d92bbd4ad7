"""Random schedules of the agents' protocol, by several simulations side by side (`make soak`).

``python -m tests.agent.schedules [--seed FIRST] [--count SEEDS]`` says how far it is, and ends with
exit code 1 when something fails: then it looks for the seed, and says how to replay it.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing

import typer

from harness import clock, run
from harness.config import REPOSITORY

BUILD = "guest-agent/build-san"
PROGRAM = f"{BUILD}/tests/test_simulation"
PORTION = 1000  # seeds: in so many all that is rare has happened about as often as it should
SECONDS = 3600.0
# Most of the time they wait, for programs that stand still.
AT_ONCE = min(16, 4 * (os.cpu_count() or 1))
COUNTED = re.compile(r"(\d+) streams, (\d+) handovers")


def portions(first: int, count: int) -> list[range]:
    """The seeds, cut into what one simulation runs; the last one has the rest, too."""
    starts = range(first, first + max(count, PORTION) - PORTION + 1, PORTION)
    ends = [*starts[1:], first + count]
    return [range(start, end) for start, end in zip(starts, ends, strict=True)]


def begin(seeds: range) -> run.Process:
    """One simulation; what it prints fits into its pipes."""
    argv = [PROGRAM, "--seed", str(seeds.start), "--count", str(len(seeds))]
    return run.spawn(argv, cwd=REPOSITORY, stdin=run.DEVNULL, stdout=run.PIPE, stderr=run.PIPE)


def outcomes(work: Sequence[range]) -> Generator[tuple[range, int, str]]:
    """Each portion with its exit code and what it printed, as they end. None is left running."""
    waiting, running = deque(work), dict[range, run.Process]()

    def one_ended() -> range | None:
        return next((seeds for seeds, one in running.items() if one.poll() is not None), None)

    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running[waiting[0]] = begin(waiting[0])
                waiting.popleft()
            seeds = clock.wait_until(
                one_ended, within=SECONDS, what="a simulation's end", every=0.1
            )
            ended = running.pop(seeds)
            said = b"".join(ended.communicate()).decode(errors="replace")
            yield seeds, ended.returncode, said
    finally:
        for process in running.values():
            run.terminate(process)


def tally(count: int, found: Generator[tuple[range, int, str]]) -> range | None:
    """Say how far it is; gives the first portion in which something fails."""
    done = streams = handovers = 0
    with closing(found):
        for seeds, code, said in found:
            counted = COUNTED.search(said)
            if code or counted is None:
                print(f"{said}\nseeds {seeds.start} to {seeds[-1]}: exit code {code}", flush=True)
                return seeds
            done += len(seeds)
            streams += int(counted[1])
            handovers += int(counted[2])
            told = f"{done:,} of {count:,} seeds: {streams:,} streams, {handovers:,} handovers"
            print(f"{told}, no byte wrong", flush=True)
    return None


def blamed(seeds: range) -> str:
    """Which of them fails alone, and how it is replayed."""
    for seed in seeds:
        replay = [PROGRAM, "--seed", str(seed)]
        if run.run(replay, cwd=REPOSITORY, within=SECONDS, check=False).returncode:
            return f"seed {seed} fails: {' '.join(replay)} --trace"
    return f"no seed of {seeds.start} to {seeds[-1]} fails alone"


def main(seed: int = 1, count: int = 20_000) -> None:
    """Run so many seeds from that one on."""
    failed = tally(count, outcomes(portions(seed, count)))
    if failed is not None:
        print(blamed(failed))
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
