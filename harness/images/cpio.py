"""Archives in cpio's "newc" format, the one the kernel unpacks.

Written here so that every file belongs to root although no root is needed, and so that the
same content gives the same bytes: sorted names, times zero, numbered inodes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MAGIC = b"070701"
TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Entry:
    """One name in the archive. `data` is a file's content or a symbolic link's target."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or self.path.startswith("/") or ".." in parts or "\0" in self.path:
            raise ValueError(f"{self.path!r} is no relative path below the root")


def file(path: str, data: bytes, mode: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(path, stat.S_IFREG | mode, data)


def directory(path: str, mode: int = 0o755) -> Entry:
    """A directory."""
    return Entry(path, stat.S_IFDIR | mode)


def symlink(path: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, mode: int = 0o600) -> Entry:
    """A character device."""
    return Entry(path, stat.S_IFCHR | mode, device=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """The archive; directories that are only implied are added. A name twice is an error."""
    by_path: dict[str, Entry] = {}
    for entry in entries:
        if by_path.setdefault(entry.path, entry) is not entry:
            raise ValueError(f"{entry.path!r} occurs twice")
    for path in list(by_path):
        for parent in _parents(path):
            by_path.setdefault(parent, directory(parent))
    ordered = [by_path[path] for path in sorted(by_path)]
    members = [_member(entry, inode) for inode, entry in enumerate(ordered, start=1)]
    return b"".join(members) + _member(Entry(TRAILER, 0), 0)


def _parents(path: str) -> Iterator[str]:
    return (str(parent) for parent in PurePosixPath(path).parents if parent.parts)


def _member(entry: Entry, inode: int) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    owner = group = time = checksum = archive_device = 0
    numbers = (
        *(inode, entry.mode, owner, group, links, time, len(entry.data)),
        *(archive_device, archive_device, *entry.device, len(name), checksum),
    )
    header = MAGIC + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name) + _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
