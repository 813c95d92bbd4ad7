"""Numbers and texts as a reader wants to see them; what was not measured is a dash."""

from __future__ import annotations

import math

from harness.model.printable import printable

UNKNOWN = "–"
TEXT_MOST = 2000
MEASURABLE = 1e15  # ms: longer than anybody waited; bytes: more than anybody moved
BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def finite(value: float | None) -> bool:
    """Whether this can have been measured: not missing, not NaN, not beyond every measure."""
    return value is not None and abs(value) < MEASURABLE


def number(value: float | None) -> str:
    """Three digits or more, never a false one: 0.4, 7.2, 143, 12,345, 1e+300."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 1e12:
        return f"{value:.3g}"
    return f"{value:,.1f}" if 0 < abs(value) < 10 and value % 1 else f"{value:,.0f}"


def amount(value: float | None) -> str:
    """Bytes."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    power = min(int(math.log2(max(abs(value), 1)) // 10), len(BYTE_UNITS) - 1)
    scaled = value / 1024**power
    return f"{scaled:,.0f} B" if power == 0 else f"{scaled:,.1f} {BYTE_UNITS[power]}"


def rate(bytes_a_second: float | None) -> str:
    """Bytes a second."""
    return f"{amount(bytes_a_second)}/s" if finite(bytes_a_second) else UNKNOWN


def at(ms: float | None) -> str:
    """A point of time on a leg's clock: 0:07.4, 12:34.5, 1:02:03.4."""
    if ms is None or not math.isfinite(ms):
        return UNKNOWN
    tenths = round(abs(ms) / 100)
    minutes, seconds = divmod(tenths / 10, 60)
    hours, minutes = divmod(int(minutes), 60)
    clock = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{'-' if ms < 0 else ''}{clock}:{seconds:04.1f}"


def lasting(seconds: float) -> str:
    """How long something took: 7.4 s, 12 min 34 s."""
    if not math.isfinite(seconds) or seconds < 60:
        return f"{number(seconds)} s"
    return f"{int(seconds) // 60:,} min {int(seconds) % 60} s"


def plural(count: int, noun: str) -> str:
    """`1 case`, `2 cases`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def shown(text: object, most: int = TEXT_MOST) -> str:
    """A text of anybody's: control characters written out, an endless one cut, and said so."""
    whole = str(text)
    if len(whole) <= most:
        return printable(whole)
    return f"{printable(whole[:most])}… (cut: {len(whole):,} characters)"
