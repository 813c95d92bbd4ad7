"""Disk images that the user gives: what is in them by their first bytes, and their identity."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import UsageError
from harness.images.store import digest_of

QCOW2 = b"QFI\xfb"
HEADER = struct.Struct(">4sIQ")  # magic, version, where the backing file's name stands
FEATURES_AT, EXTERNAL_DATA = 72, 1 << 2


@dataclass(frozen=True)
class DiskImage:
    """A disk to begin with, never written to. `digest` names its content."""

    path: Path
    format: Literal["qcow2", "raw"]
    digest: str

    @classmethod
    def of(cls, path: Path) -> DiskImage:
        """The image in a file. Its identity is its place, size and time: hashing gigabytes at
        every start would cost more than the boot.
        """
        stat = path.stat()
        known = (str(path.resolve()), str(stat.st_size), str(stat.st_mtime_ns))
        return cls(path, format_of(path), digest_of(part.encode() for part in known))


def format_of(path: Path) -> Literal["qcow2", "raw"]:
    """The format of a file's content.

    Raises UsageError for a qcow2 image that needs other files: they would not be on the hosts.
    """
    with path.open("rb") as file:
        header = file.read(FEATURES_AT + 8)
    if not header.startswith(QCOW2) or len(header) < HEADER.size:
        return "raw"
    _, version, backing = HEADER.unpack_from(header)
    features = header[FEATURES_AT:].ljust(8, b"\0") if version >= 3 else bytes(8)
    if backing or int.from_bytes(features, "big") & EXTERNAL_DATA:
        raise UsageError(
            f"{path} is only a part of a disk",
            why="it has a backing file, or its data is in another one",
            fix=f"qemu-img convert -O qcow2 {path} whole.qcow2",
        )
    return "qcow2"
