"""The agent's programs in one archive: a host gets them by one copy instead of one for each."""

from __future__ import annotations

import tarfile
from pathlib import Path

HOME = "domsock/bin"  # below /var/lib, which every host has
PROGRAMS = ("domsockd", "domsock", "libdomsock.so")
MODE = 0o755


def write(programs: Path, to: Path) -> Path:
    """Pack those programs that are in the folder. The same files give an archive that a host which
    has them does not differ from.
    """
    with tarfile.open(to, "w") as archive:
        for name in PROGRAMS:
            if (programs / name).exists():
                archive.add(programs / name, f"{HOME}/{name}", filter=_for_root)
    return to


def _for_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = MODE
    entry.mtime = int(entry.mtime)  # tar compares whole seconds
    return entry
