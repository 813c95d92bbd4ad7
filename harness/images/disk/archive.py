"""Archives that tar reads: all belongs to root, and the same files give the same bytes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A file, or with a `target` a symbolic link. `path` has no / in front."""

    path: str
    data: bytes = b""
    mode: int = 0o644
    target: str = ""


def tar(members: Iterable[Member]) -> bytes:
    """The archive of them, in their order."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            entry = tarfile.TarInfo(member.path)
            if member.target:
                entry.type, entry.linkname = tarfile.SYMTYPE, member.target
            else:
                entry.size, entry.mode = len(member.data), member.mode
            archive.addfile(entry, io.BytesIO(member.data))
    return made.getvalue()
