"""The agent's programs in one archive: a host gets them by one copy instead of one for each."""

from __future__ import annotations

import hashlib
import tarfile
from io import BytesIO
from pathlib import Path

from harness.errors import TestbedError

HOME = "domsock/bin"  # below /var/lib, which every host has
PROGRAMS = ("domsockd", "domsock", "libdomsock.so")
MODE = 0o755
FIRST_TIME, TIMES = 946_684_800, 700_000_000  # seconds: from 2000 to 2022


def write(programs: Path, to: Path) -> Path:
    """Pack them from that folder; the same programs give the same archive. Raises TestbedError when
    one is not there.
    """
    with tarfile.open(to, "w") as archive:
        for name in PROGRAMS:
            if not (programs / name).exists():
                raise TestbedError(f"{name} is not built", where=str(programs), fix="make agent")
            content = (programs / name).read_bytes()
            archive.addfile(_entry(f"{HOME}/{name}", content), BytesIO(content))
    return to


def _entry(name: str, content: bytes) -> tarfile.TarInfo:
    """Root's. A host tells by the time in it whether it has that program: so that follows from the
    content alone, whenever it was built.
    """
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), MODE
    entry.uname = entry.gname = "root"
    digest = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
    entry.mtime = FIRST_TIME + digest % TIMES
    return entry
