"""How a guest is migrated: one frozen value per way that libvirt and QEMU offer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Ends = Literal["moves", "aborted", "refused"]


@dataclass(frozen=True)
class MigrationMode:
    """One way to migrate, and how it must end.

    `bandwidth_mib` is MiB/s, 0 for no limit; `channels` of 0 is the one ordinary connection.
    `ends` other than "moves": the guest must be on its source afterwards, its streams as before;
    `because` says why that must be so.
    `with_region` leaves the regions plugged, as somebody who knows nothing of them would.
    """

    name: str = "precopy"
    postcopy: bool = False
    channels: int = 0
    auto_converge: bool = False
    tls: bool = False
    tunnelled: bool = False
    compression: str = ""
    bandwidth_mib: int = 0
    with_region: bool = False
    ends: Ends = "moves"
    because: str = ""

    @property
    def stays(self) -> bool:
        """Whether the guest must not have moved afterwards."""
        return self.ends != "moves"


PRECOPY = MigrationMode()

NO_REGION = "QEMU migrates no ivshmem-plain device"
NO_ZSTD = "libvirt 9.0 knows no zstd"
ONE_CONNECTION = "libvirt's tunnel is one connection"
NO_DISK = "libvirt copies no disk through its tunnel"

# What a campaign may ask for. The last three are refused by stock libvirt 9.0 and QEMU 7.2.
MODES = {
    mode.name: mode
    for mode in (
        PRECOPY,
        MigrationMode("postcopy", postcopy=True),
        MigrationMode("parallel", channels=2),
        MigrationMode("auto-converge", auto_converge=True),
        MigrationMode("tls", tls=True),
        MigrationMode("tls-parallel", tls=True, channels=2),
        MigrationMode("tunnelled", tunnelled=True),
        MigrationMode("xbzrle", compression="xbzrle"),
        MigrationMode("compressed", compression="mt"),
        MigrationMode("limited", bandwidth_mib=64),
        MigrationMode("abort", bandwidth_mib=8, ends="aborted"),
        MigrationMode("with-region", with_region=True, ends="refused", because=NO_REGION),
        MigrationMode(
            "parallel-zstd", channels=2, compression="zstd", ends="refused", because=NO_ZSTD
        ),
        MigrationMode(
            "parallel-tunnelled",
            channels=2,
            tunnelled=True,
            ends="refused",
            because=ONE_CONNECTION,
        ),
    )
}


def copying_disks(mode: MigrationMode) -> MigrationMode:
    """The mode of a guest with disks that must be copied."""
    if not mode.tunnelled or mode.stays:
        return mode
    return replace(mode, ends="refused", because=NO_DISK)


def limited_to(bandwidth_mib: int) -> MigrationMode:
    """Plain precopy at no more than that many MiB/s; 0 is no limit."""
    return MigrationMode("limited", bandwidth_mib=bandwidth_mib) if bandwidth_mib else PRECOPY
