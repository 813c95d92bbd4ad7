"""What checking every byte costs: the oracle's verified rate beside its unverified rate.

``python -m tests.perf.oracle_cost [ROUNDS]`` runs a pair of oracles over one UNIX socket of this
machine, checking and only counting in turn, and prints medians. The goal is printed beside them;
nothing here fails.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console

from harness import config, run
from harness.cli import show

ORACLE = config.REPOSITORY / "workloads/build/oracle"
BYTES = 4 << 30
GOAL = 0.4


def rate(folder: Path, *how: str) -> float:
    """Bytes per second of one stream in one direction."""
    where, report = folder / "socket", folder / "report"
    receiver = run.spawn(
        [str(ORACLE), "--listen", str(where), "--expect-seed", "1", *how, "--report", str(report)]
    )
    try:
        sender = [str(ORACLE), "--connect", str(where), "--send-seed", "1", "--bytes", str(BYTES)]
        run.run([*sender, *how], within=300)
        run.wait(receiver, 30)
    finally:
        run.terminate(receiver)
    final = json.loads(report.read_text().splitlines()[-1])
    return float(final["bytes_verified"] / final["seconds"])


def main(rounds: int) -> None:
    """Measure and print."""
    checked, counted = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            counted.append(rate(Path(place), "--unchecked"))
            checked.append(rate(Path(place)))
    share = median(checked) / median(counted)
    made = show.table("The oracle, one stream over a UNIX socket", "", ">median/s", ">of counting")
    show.add(made, "bytes only counted", show.amount(median(counted)), "1.00")
    show.add(made, "every byte checked", show.amount(median(checked)), f"{share:.2f}")
    made.caption = f"goal: at least {GOAL}; {rounds} rounds of {BYTES >> 30} GiB each"
    Console().print(made)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
