"""How long a kept lab lives. Its own PID 1 holds the time, so it ends even when everything that
belongs to it elsewhere is gone; a file beside its record can change the time while it runs.

Points in time are monotonic seconds: they are the same inside and outside, and mean nothing
after a reboot, which no lab outlives.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness import clock

FILE = "expires"
LOOK_SECONDS = 1.0


def write(state_dir: Path, end: float) -> None:
    """Let the lab end then; replaces what was said before, whole or not at all."""
    fresh = state_dir / f"{FILE}.{os.getpid()}"
    fresh.write_text(f"{end}\n")
    fresh.replace(state_dir / FILE)


def read(state_dir: Path) -> float | None:
    """When the lab ends; None when nothing is said."""
    try:
        return float((state_dir / FILE).read_text())
    except (OSError, ValueError):
        return None


def live_out(state_dir: Path) -> None:
    """Return when the lab's time has come. What was read last counts once the file is gone."""
    end = None
    while True:
        end = read(state_dir) or end
        left = LOOK_SECONDS if end is None else end - clock.now()
        if left <= 0:
            return
        clock.sleep(min(left, LOOK_SECONDS))
