"""The figures of the main job, each beside its baseline from the same run.

``python -m tests.perf.figures [ROUNDS]`` runs the demo and boots the same image under bare QEMU,
in turn, and prints medians. Goals are printed beside them; nothing here fails.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from harness import clock, config, run
from harness.cli import show
from harness.events import EventLog
from harness.images.micro import build_micro
from tests.perf.boot import boot_together

TESTBED = Path(sys.executable).parent / "testbed"
DEMO_SECONDS = 300.0
GUESTS = 2


@dataclass(frozen=True)
class Round:
    """One demo and the bare boot beside it; seconds."""

    whole: float
    boot: float
    bare_boot: float
    summary: dict[str, Any]

    def rate(self, path: str) -> float:
        """Bytes per second over the phases on that path."""
        phases = [phase for phase in self.summary["phases"] if phase["path"] == path]
        return float(sum(p["bytes"] for p in phases) / sum(p["seconds"] for p in phases))


def measure(folder: Path) -> Round:
    """One round. Raises CommandFailed when the demo does not pass."""
    image = build_micro(config.cache_dir(), config.REPOSITORY, EventLog())
    bare = max(boot_together(image, GUESTS))
    begun = clock.now()
    env = {**os.environ, "TESTBED_RESULTS": str(folder)}
    run.run([str(TESTBED), "demo"], within=DEMO_SECONDS, env=env)
    whole = clock.now() - begun
    latest = folder / "latest"
    summary = json.loads((latest / "summary.json").read_text())
    return Round(whole, guest_phase(latest / "events.jsonl"), bare, summary)


def guest_phase(events: Path) -> float:
    """Seconds from the first guest's start to the last one's ready."""
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    begun = min(line["at"] for line in lines if line["event"] == "boot.begin")
    ended = max(line["at"] for line in lines if line["event"] == "boot.end")
    return float(ended - begun)


def report(rounds: list[Round]) -> None:
    """Medians over the rounds, beside baseline and goal."""
    own = [m["own_ms"] for r in rounds for m in r.summary["migrations"]]
    stalls = [r.summary["figures"] for r in rounds]
    boots = [r.boot / r.bare_boot for r in rounds]
    made = show.table(f"Medians of {len(rounds)} runs", "figure", ">here", "goal")
    rows = [
        ("demo, warm, whole", f"{median(r.whole for r in rounds):.1f} s", "≤ 60 s"),
        ("two guests up / bare QEMU", f"{median(boots):.2f}", "≤ 1.3"),
        ("our own time around a migration", f"{median(own):.0f} ms", "≤ 200 ms"),
        (
            "longest stall / (1.2 × TCP's beside it + 200 ms)",
            f"{median(s['longest_stall_ms'] / s['stall_bound_ms'] for s in stalls):.2f}",
            "≤ 1",
        ),
        (
            "rate on shared memory / on the agents' TCP",
            f"{median(r.rate('shm') / r.rate('tcp') for r in rounds):.2f}",
            "",
        ),
    ]
    for row in rows:
        made.add_row(*row)
    console = Console(width=80)
    console.print(made)
    last = rounds[-1].summary
    console.print(", ".join([last["accelerator"], *map(" ".join, last["versions"].items())]))


def main() -> None:
    """Run and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        report([measure(Path(folder)) for _ in range(count)])


if __name__ == "__main__":
    main()
