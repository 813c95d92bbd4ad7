"""Spans of time as people write them. Pure."""

from __future__ import annotations

import re

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
MOST = 365 * 86400


def parse(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``5 min``, ``2h`` or ``1d``. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?) ?(s|m|min|h|d)?", text.strip())
    seconds = float(found[1]) * UNITS[found[2] or "s"] if found else 0.0
    if not 0 < seconds <= MOST:
        raise ValueError(f"{text!r} is no span of time: write 90s, 5min, 2h or 1d")
    return seconds


def short(seconds: float) -> str:
    """For people, in the two units that matter: ``1 h 59 min``."""
    left = round(seconds)
    for size, name, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if left >= size:
            return f"{left // size} {name} {left % size // smaller} {small}"
    return f"{left // 60} min {left % 60} s" if left >= 60 else f"{left} s"
