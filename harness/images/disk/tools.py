"""Programs that only images with a disk need: looked for before anything is begun."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.errors import TestbedError

SBIN = "/usr/sbin:/sbin"  # not on every user's path
MBR = Path("/usr/lib/syslinux/mbr/mbr.bin")

# The program, and the package that has it.
NEEDED: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "mke2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "mformat": "mtools",
    "mcopy": "mtools",
    "syslinux": "syslinux",
    "qemu-img": "qemu-utils",
    "dpkg-deb": "dpkg",
    str(MBR): "syslinux-common",
}


def path() -> str:
    """The search path on which the programs are looked for."""
    return f"{os.environ.get('PATH', os.defpath)}:{SBIN}"


SEED = ("mformat", "mcopy", "dpkg-deb")  # of these, what makes a NoCloud seed


def require(names: Iterable[str] = tuple(NEEDED)) -> None:
    """Raises TestbedError that names what is missing and how to get it."""
    missing = [name for name in names if not _is_there(name)]
    if missing:
        packages = " ".join(sorted({NEEDED[name] for name in missing}))
        raise TestbedError(
            f"a disk for guests is made with {', '.join(missing)}",
            why="this machine does not have that",
            fix=f"apt-get install --no-install-recommends {packages}",
        )


def _is_there(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else bool(shutil.which(name, path=path()))
