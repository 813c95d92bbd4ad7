"""What checking every byte costs: the oracle's verified rate beside its unverified rate.

``python -m tests.perf.oracle_cost [ROUNDS]`` runs a pair of oracles over one UNIX socket of this
machine, checking and only counting in turn, and prints medians. Rates are per second, and per
second of processor time, which a busy machine does not change. The goal is printed beside them;
nothing here fails.
"""

from __future__ import annotations

import json
import resource
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
Rates = tuple[float, float]  # bytes per second, bytes per second of both programs' processor time


def rates(folder: Path, *how: str) -> Rates:
    """The rates of one stream in one direction."""
    where, report = folder / "socket", folder / "report"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    receiver = run.spawn(
        [str(ORACLE), "--listen", str(where), "--expect-seed", "1", *how, "--report", str(report)]
    )
    try:
        sender = [str(ORACLE), "--connect", str(where), "--send-seed", "1", "--bytes", str(BYTES)]
        run.run([*sender, *how], within=300)
        run.wait(receiver, 30)
    finally:
        run.terminate(receiver)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = json.loads(report.read_text().splitlines()[-1])["seconds"]
    return BYTES / float(seconds), BYTES / busy


def medians(rounds: list[Rates]) -> Rates:
    """The medians of both rates."""
    return median(r[0] for r in rounds), median(r[1] for r in rounds)


def main(rounds: int) -> None:
    """Measure and print."""
    checked, counted = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            counted.append(rates(Path(place), "--unchecked"))
            checked.append(rates(Path(place)))
    made = show.table(
        "The oracle, one stream over a UNIX socket",
        *("", ">per second", ">per CPU second"),
        caption=f"medians of {rounds} rounds of {BYTES >> 30} GiB; goal: a share of {GOAL}",
    )
    for name, found in (("bytes only counted", counted), ("every byte checked", checked)):
        show.add(made, name, *(show.amount(rate) for rate in medians(found)))
    shares = (a / b for a, b in zip(medians(checked), medians(counted), strict=True))
    show.add(made, "checked of counted", *(f"{share:.2f}" for share in shares))
    Console().print(made)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
