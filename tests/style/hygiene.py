"""What no file may hold: promises instead of work, and the places of one machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

FORBIDDEN: Mapping[str, re.Pattern[str]] = {
    "do it, or leave it out": re.compile(r"\b(TODO|FIXME|XXX)\b"),
    "a path of one machine": re.compile(r"(?<![\w.~$}>-])/(home|Users|work)/\w"),
    "a mark of a merge": re.compile(r"^(<{7}|>{7}) ", re.MULTILINE),
    "a space at the end of a line": re.compile(r"[ \t]+$", re.MULTILINE),
}


def violations(path: Path, source: str) -> Iterator[str]:
    """Every forbidden piece of text, and a last line that does not end."""
    for reason, pattern in FORBIDDEN.items():
        for match in pattern.finditer(source):
            line = source.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: {match.group(0).strip()!r}: {reason}"
    if source and not source.endswith("\n"):
        yield f"{path}: the last line does not end"
