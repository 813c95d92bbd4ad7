"""A kernel of the user's own: what it is, and an image that boots it.

Three ways give it an initrd that fits: one that the user brings, the image's with the modules of
that kernel behind it (archives may follow each other, and a later file replaces an earlier one),
or the image's as it is, for a kernel that has built in what it needs.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.images import content, cpio, recipe
from harness.images.image import INITRD, KERNEL, Image
from harness.images.store import Store, digest_of
from harness.model.topology import GuestSpec

MAGIC_AT, MAGIC = 0x202, b"HdrS"
VERSION_AT, VERSION_BASE, VERSION_LENGTH = 0x20E, 0x200, 256
HEADER_LENGTH = 1 << 16
LOCK_SECONDS = 600.0
KEPT = 4
ROOT_MODULES = ("crc32c_generic", "ext4")  # what the root file system on our own disks needs


def release_of(kernel: Path) -> str:
    """The release a bzImage says it has. Raises UsageError for what is no bzImage."""
    with kernel.open("rb") as file:
        header = file.read(HEADER_LENGTH)
    if header[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        raise UsageError(
            f"{kernel} is no kernel that QEMU can boot",
            why="it has no boot header of x86",
            fix="give arch/x86/boot/bzImage, or /boot/vmlinuz-RELEASE; not vmlinux",
        )
    start = VERSION_BASE + int(struct.unpack_from("<H", header, VERSION_AT)[0])
    said = header[start : start + VERSION_LENGTH].split(b"\0")[0].split()
    return said[0].decode(errors="replace") if said else "unknown"


def check_modules(folder: Path, release: str) -> None:
    """Raises UsageError when the folder does not hold the modules of that release."""
    fix = f"give the folder lib/modules/{release} that `make modules_install` makes"
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of modules", fix=fix)
    if folder.resolve().name != release:
        why = f"the kernel is {release}, the modules are of {folder.resolve().name}"
        raise UsageError(f"{folder} does not fit the kernel", why=why, fix=fix)


class OwnKernels:
    """Images of the user's kernels, kept in the cache until others push them out."""

    def __init__(self, recipe_file: Path, cache: Path) -> None:
        self._modules = recipe.load(recipe_file).kernel.modules
        self._store = Store(cache / "images")

    def image(self, guest: GuestSpec, base: Image) -> Image:
        """The image that boots the guest's own kernel; `base` is what would be booted without."""
        kernel = Path(guest.kernel or "")
        release = release_of(kernel)
        initrd = self._initrd(guest, base, release)
        name = f"kernel-{digest_of((kernel.read_bytes(), initrd))}"

        def fill(folder: Path) -> dict[str, Any]:
            shutil.copyfile(kernel, folder / KERNEL)
            (folder / INITRD).write_bytes(initrd)
            return {}

        room = kernel.stat().st_size + len(initrd)
        with self._store.lock(LOCK_SECONDS):
            self._store.make(name, fill, room=room)
            self._store.keep_newest("kernel-*", KEPT)
        place = self._store.root / name
        return Image(
            kernel=place / KERNEL,
            initrd=place / INITRD if initrd else None,
            digest=name.removeprefix("kernel-"),
            kernel_release=release,
            kernel_arguments=base.kernel_arguments,
        )

    def _initrd(self, guest: GuestSpec, base: Image, release: str) -> bytes:
        """Its content; nothing for a kernel that finds its root on a disk by itself."""
        if guest.initrd:
            return Path(guest.initrd).read_bytes()
        if guest.disk_image or base.initrd is None:
            return b""
        first = base.initrd.read_bytes()
        if not guest.modules:
            return first
        folder = Path(guest.modules)
        check_modules(folder, release)
        return first + cpio.archive(content.modules_of(folder, release, self._needed(base)))

    def _needed(self, base: Image) -> tuple[str, ...]:
        """The modules to load from the initrd: a root on a disk has none of this kernel."""
        return (*self._modules, *(ROOT_MODULES if base.disk else ()))

    def advice(self, guest: GuestSpec, image: Image, base: Image) -> str:
        """What to do when a guest with a kernel of its own does not come up."""
        if guest.initrd:
            return (
                f"{guest.initrd} must start domsockd with --ctl /dev/virtio-ports/domsock.ctl "
                "--data /dev/virtio-ports/domsock.data, and qemu-ga on "
                "/dev/virtio-ports/org.qemu.guest_agent.0"
            )
        if guest.modules or guest.disk_image or image.kernel_release == base.kernel_release:
            return ""
        return (
            f"kernel {image.kernel_release} came without modules: build in "
            f"{', '.join(self._needed(base))}, or give its lib/modules/{image.kernel_release}"
        )
