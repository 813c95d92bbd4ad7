"""A disk that the firmware can boot, made in a plain file and without root.

::

    0        partition table, and the boot code that starts the active partition
    1 MiB    FAT: the boot loader syslinux, its configuration, kernel and initrd
    65 MiB   ext4: the root file system, up to the end
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.images.apt import Runner
from harness.images.disk import namespace, tools

MIB = 1 << 20
SECTOR = 512
BOOT_START, ROOT_START = MIB, 65 * MIB
BOOT_CODE_BYTES = 440
HEADS, SECTORS_PER_TRACK = 64, 32
TOOL_SECONDS, CONVERT_SECONDS = 60.0, 300.0


def partitions() -> str:
    """The partition table, as sfdisk reads it. Its id is fixed: equal builds are equal."""
    boot = f"start={BOOT_START // SECTOR},size={(ROOT_START - BOOT_START) // SECTOR}"
    return "\n".join(
        (
            "label: dos",
            "label-id: 0x646f6d73",
            f"{boot},type=6,bootable",
            f"start={ROOT_START // SECTOR},type=83",
            "",
        )
    )


def loader_configuration(arguments: Sequence[str]) -> str:
    """What syslinux does: boot at once, with these kernel arguments."""
    return "\n".join(
        (
            "SERIAL 0 115200",
            "DEFAULT guest",
            "LABEL guest",
            "  KERNEL /kernel",
            "  INITRD /initrd",
            f"  APPEND {' '.join(arguments)}",
            "",
        )
    )


def root_kib(size: int) -> int:
    """How large the root file system is on a disk of `size` bytes, in KiB."""
    return (size - ROOT_START) // 1024


class Disk:
    """A disk in the making: the file, its tables and its boot partition."""

    def __init__(self, path: Path, size: int, run: Runner) -> None:
        self._path, self._run = path, run
        with path.open("wb") as file:
            file.truncate(size)
        self._tool("sfdisk", "--quiet", str(path), input=partitions())
        with path.open("r+b") as file:
            file.write(tools.MBR.read_bytes()[:BOOT_CODE_BYTES])

    def fill_boot(self, kernel: Path, initrd: Path, configuration: Path) -> None:
        """Make the boot partition, and install the boot loader."""
        place = f"{self._path}@@{BOOT_START}"
        geometry = ("-h", str(HEADS), "-s", str(SECTORS_PER_TRACK))
        tracks = (ROOT_START - BOOT_START) // SECTOR // HEADS // SECTORS_PER_TRACK
        hidden = ("-H", str(BOOT_START // SECTOR))
        self._tool("mformat", "-i", place, "-t", str(tracks), *geometry, *hidden, "-N", "646f6d73")
        for source, name in (
            (kernel, "kernel"),
            (initrd, "initrd"),
            (configuration, "syslinux.cfg"),
        ):
            self._tool("mcopy", "-i", place, str(source), f"::/{name}")
        self._tool("syslinux", "--install", "--offset", str(BOOT_START), str(self._path))

    def as_qcow2(self, to: Path) -> None:
        """Write it as a compressed qcow2."""
        options = ("-c", "-o", "compression_type=zstd")
        argv = [
            "qemu-img",
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            *options,
            str(self._path),
            str(to),
        ]
        self._run(argv, within=CONVERT_SECONDS, env=namespace.environment())

    def _tool(self, *argv: str, input: str | None = None) -> None:  # noqa: A002 - run's own word
        self._run(list(argv), within=TOOL_SECONDS, input=input, env=namespace.environment())
