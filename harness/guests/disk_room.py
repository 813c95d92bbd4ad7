"""Room on the hosts for guests' disks: asked for before the first one is made.

A disk that cannot grow stops its guest in the middle of a write. So what was asked for counts as
if it were full; of a layer over an image, whose growth nobody knows, only the image counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from harness.errors import UsageError
from harness.guests.disks import DiskPlan
from harness.hosts.base import Host

# Of the nearest folder that is there: the file system's number, free blocks, bytes of a block.
ASK = 'd=$0; while [ "$d" ] && [ ! -e "$d" ]; do d=${d%/*}; done; stat -f -c "%i %a %S" "${d:-/}"'


def free(host: Host, folder: str) -> tuple[str, int]:
    """The file system that a folder is on, or will be, and the bytes that are free in it."""
    number, blocks, size = host.run(["sh", "-c", ASK, folder]).stdout.split()
    return number, int(blocks) * int(size)


def needs(host: str, homes: Mapping[str, Sequence[DiskPlan]], first: str) -> dict[str, int]:
    """Bytes by folder that a host must have. `homes` has for each host the disks of the guests
    that start there; the images of all lie on every host, those of shared disks on the `first`.
    """
    wanted: dict[str, int] = defaultdict(int)
    images = {}
    for made in (made for plans in homes.values() for made in plans):
        if made.image and (host == first or not made.shared):
            images[made.image_path] = made
    for made in images.values():
        assert made.image is not None
        wanted[made.folder] += made.image.path.stat().st_size
    for made in homes.get(host, ()):
        wanted[made.folder] += made.size
    return wanted


def require(
    hosts: Sequence[Host], homes: Mapping[str, Sequence[DiskPlan]], *, one_machine: bool, fix: str
) -> None:
    """Raises UsageError when the hosts' disks have no room for all of it.

    On `one_machine` the hosts may have the same file system, which then must bear them all.
    """
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for host in hosts:
        for folder, size in needs(host.name, homes, hosts[0].name).items():
            number, room = free(host, folder)
            key = ("" if one_machine else host.name, number)
            wanted[key] += size
            found[key] = (f"{host.name}:{folder}", room)
    _refuse(((wanted[key], *found[key]) for key in wanted), fix)


def _refuse(sums: Iterable[tuple[int, str, int]], fix: str) -> None:
    for needed, where, room in sums:
        if room < needed:
            raise UsageError(
                "there is no room for the guests' disks",
                where=where,
                why=f"{room >> 20} MiB are free, and they may take {needed >> 20} MiB",
                fix=fix,
            )
