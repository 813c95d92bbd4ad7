"""What else lies in a run's folder: links that stay right when the folder is moved as a whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from harness.report.words import shown

MOST = 300


@dataclass(frozen=True)
class Evidence:
    """A file beside the report; `href` is relative, and never anything but a path."""

    name: str
    href: str
    bytes: int


def files(run: Path, page: Path) -> tuple[Evidence, ...]:
    """The files of a run as seen from a page, which is itself left out; no link is followed."""
    found = []
    for folder, folders, names in os.walk(run):
        folders.sort()
        found += [Path(folder, name) for name in sorted(names)]
        if len(found) > MOST:
            break
    regular = (f for f in found[:MOST] if f.is_file() and not f.is_symlink() and f != page)
    return tuple(_evidence(file, run, page) for file in regular)


def _evidence(file: Path, run: Path, page: Path) -> Evidence:
    relative = os.path.relpath(file, page.parent)
    return Evidence(
        name=shown(file.relative_to(run), 300),
        href="./" + quote(os.fsencode(relative)),
        bytes=file.stat().st_size,
    )
