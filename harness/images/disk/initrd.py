"""The initrd of a disk: what mounts the root file system, and nothing else. It is small and not
compressed, because an emulated guest would take longer to unpack it than QEMU takes to load it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.images import content, cpio
from harness.images.apt import Runner
from harness.images.content import Unpacked

BUSYBOX = "usr/bin/busybox"
APPLETS = ("modprobe", "mount", "sh", "switch_root", "umount", "usleep")
# With and without usr/: both spellings of a merged file system's folders.
NEEDED = ("./boot/vmlinuz-*", "./*lib/modules/*", f"./{BUSYBOX}", "./bin/busybox")
UNPACK_SECONDS = 120.0


def unpack(root: Path, to: Path, run: Runner) -> Unpacked:
    """Of a file system's archive, the kernel, its modules and busybox, below the folder `to`."""
    place = to / "kernel-files"
    place.mkdir()
    argv = ["tar", "-xf", str(root), "-C", str(place), "--no-same-owner", "--wildcards"]
    run([*argv, *NEEDED], within=UNPACK_SECONDS, check=False)  # one spelling matches nothing
    return Unpacked(place)


def entries(unpacked: Unpacked, init: bytes, names: Sequence[str]) -> Iterator[cpio.Entry]:
    """The archive: busybox, the modules of those names with all that they need, and `init`."""
    yield cpio.file("init", init, 0o755)
    yield cpio.file("bin/busybox", unpacked.find(BUSYBOX).read_bytes(), 0o755)
    yield from (cpio.symlink(f"bin/{applet}", "busybox") for applet in APPLETS)
    yield from (cpio.directory(name) for name in ("dev", "proc", "root", "sys"))
    yield cpio.symlink("lib", "usr/lib")
    yield from content.modules_of(unpacked.find_modules(), unpacked.kernel_release, names)
