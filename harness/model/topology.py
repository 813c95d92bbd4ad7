"""The topology: which hosts, networks, guests and grants a testbed consists of.

What stands below a field is also its description in the published JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.model import naming
from harness.model.sizes import MIB, Memory, RegionSize, Room
from harness.model.words import hint

MAX_HOSTS = 200  # of one management network
MAX_NETWORKS = 8
MAX_DISKS = 8
MAX_GUESTS = naming.FIRST_HOST_ID - naming.FIRST_GUEST_ID
RESERVED = ("self", "host", "localhost", "harness")
MICRO, DEBIAN = "micro", "debian"
IMAGES = (MICRO, DEBIAN)
DEBIAN_MEMORY = 192 * MIB  # with less it does not come up
DISK_SUFFIXES = (".qcow2", ".raw", ".img")
NETWORK = "guests"

Name = Annotated[str, Field(pattern=f"^{naming.NAME.pattern}$")]
File = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f]+$")]
CpuModel = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


Policy = Literal["fallback", "reset"]


class Part(BaseModel):
    """A part of a topology: frozen, and every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class HostSpec(Part):
    """A machine that runs guests."""

    shm: Room = 256 * MIB
    """Room for regions: the size of its /dev/shm."""

    qemu: Annotated[str, Field(pattern=r"^/[^\x00-\x1f]+$")] | None = None
    """The QEMU that runs its guests, as a path on that host; by default the distribution's."""


class NetworkSpec(Part):
    """A network of guests: a bridge on each host, joined by VXLAN."""

    mtu: Annotated[int, Field(ge=576, le=naming.GUEST_MTU, strict=True)] = naming.GUEST_MTU
    """Bytes. At most 1450: between hosts the tunnel takes 50 of Ethernet's 1500."""


class DiskSpec(Part):
    """A disk of a guest: a fresh one of a `size`, or one that begins as a copy of a `file`."""

    size: Room | None = None
    """A fresh, empty disk of this size."""

    file: File | None = None
    """What the disk begins with. The file itself is never written to."""

    format: Literal["qcow2", "raw"] = "qcow2"
    """The file's format, or that of the fresh disk."""

    shared: bool = False
    """Whether all hosts see the same disk; by default a migration copies it."""

    @model_validator(mode="after")
    def _sound(self) -> DiskSpec:
        if (self.size is None) == (self.file is None):
            raise ValueError("a disk has either a size or a file")
        return self


class GuestSpec(Part):
    """A virtual machine. It boots a kernel (the image's or its own), or from a disk image."""

    host: Name
    """The host it starts on."""

    image: File = MICRO
    """`micro`, `debian`, or the path of a disk image to boot from (.qcow2, .raw or .img)."""

    kernel: File | None = None
    """A kernel (bzImage) to boot instead of the image's."""

    initrd: File | None = None
    """The initrd of that kernel, used as it is; by default the image's."""

    modules: File | None = None
    """That kernel's lib/modules/RELEASE: what `micro` needs of it is put into its initrd."""

    append: Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x1f]*$")] = ""
    """More of the kernel command line."""

    machine: Literal["pc", "q35"] = "pc"
    """The machine type."""

    cpu: CpuModel | None = None
    """A CPU model that all hosts have; by default the host's own, or all that can be emulated."""

    memory: Memory = 128 * MIB
    """Its memory."""

    vcpus: Annotated[int, Field(ge=1, le=8, strict=True)] = 1
    """Virtual CPUs."""

    disks: Annotated[tuple[DiskSpec, ...], Field(max_length=MAX_DISKS)] = ()
    """Disks, the first of them /dev/vda (/dev/vdb when it boots from a disk image)."""

    networks: tuple[Name, ...] | None = None
    """The networks it has a card in, eth0 first; [] is no card. By default all of them."""

    @property
    def disk_image(self) -> bool:
        """Whether `image` is a disk to boot from, not the name of an image."""
        return "/" in self.image or self.image.endswith(DISK_SUFFIXES)

    @property
    def seeded(self) -> bool:
        """Whether cloud-init in its disk image is to be told who it is."""
        return self.disk_image and not self.kernel

    @model_validator(mode="after")
    def _bootable(self) -> GuestSpec:
        if not self.disk_image and self.image not in IMAGES:
            raise ValueError(
                f"image: there is no image {self.image!r}: {hint(self.image, IMAGES, 'images')}, "
                f"and a path has a / in it or ends in {', '.join(DISK_SUFFIXES)}"
            )
        if self.image == DEBIAN and self.memory < DEBIAN_MEMORY:
            raise ValueError(
                f"memory: the image debian needs {DEBIAN_MEMORY // MIB} MiB or more, "
                f"and this guest has {self.memory // MIB} MiB"
            )
        for key in ("initrd", "modules"):
            if getattr(self, key) and not self.kernel:
                raise ValueError(f"{key}: this goes with a kernel of your own, and there is none")
        if self.modules and (self.initrd or self.disk_image):
            why = "an initrd of your own" if self.initrd else "a disk image"
            raise ValueError(f"modules: they go into micro's initrd, which {why} replaces")
        if self.append and self.disk_image and not self.kernel:
            raise ValueError("append: the firmware boots from the disk, which has its own")
        return self


class GrantSpec(Part):
    """Permission for two guests, or for a guest and a host, to share one region."""

    between: tuple[Name, Name]
    """The two guests, or the guest and the host."""

    size: RegionSize = 32 * MIB
    """The region's size: a power of two between 1 MiB and 1 GiB."""

    policy: Policy = "fallback"
    """What becomes of open streams when it is revoked: `fallback` (on by TCP) or `reset`."""

    @model_validator(mode="after")
    def _sound(self) -> GrantSpec:
        if self.between[0] == self.between[1]:
            raise ValueError(f"a grant joins two domains, not {self.between[0]} with itself")
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """The two names in order."""
        first, second = sorted(self.between)
        return first, second


Component = Literal["qemu", "kernel", "libvirt", "agent"]


class Topology(Part):
    """A whole testbed."""

    name: Name
    """The testbed's name: one of that name runs at a time."""

    sut: tuple[Component, ...] = ()
    """What is under test: its crash is a finding (exit code 1), any other breaks the testbed."""

    hosts: dict[Name, HostSpec] = Field(min_length=1, max_length=MAX_HOSTS)
    """Machines that run guests."""

    networks: dict[Name, NetworkSpec] = Field(
        default={NETWORK: NetworkSpec()}, max_length=MAX_NETWORKS
    )
    """Networks of guests. By default there is one, and every guest is in it."""

    guests: dict[Name, GuestSpec] = Field(default={}, max_length=MAX_GUESTS)
    """Virtual machines. Their order gives them their domain ids, from 3 on."""

    grants: tuple[GrantSpec, ...] = ()
    """Who may share memory with whom."""

    @model_validator(mode="after")
    def _consistent(self) -> Topology:
        for name in (*self.hosts, *self.guests):
            if name in RESERVED:
                kind = "hosts" if name in self.hosts else "guests"
                raise ValueError(f"{kind}.{name}: the name {name!r} has a meaning of its own")
        for name, guest in self.guests.items():
            self._check_guest(name, guest)
        self._check_grants()
        return self

    def _check_guest(self, name: str, guest: GuestSpec) -> None:
        at = f"guests.{name}"
        if name in self.hosts:
            raise ValueError(f"{at}: {name!r} is a host's name already")
        _check_known(f"{at}.host", "host", guest.host, self.hosts)
        for network in guest.networks or ():
            _check_known(f"{at}.networks", "network", network, self.networks)
        if len(set(guest.networks or ())) < len(guest.networks or ()):
            raise ValueError(f"{at}.networks: a guest has one card in a network, not two")

    def _check_grants(self) -> None:
        seen: set[tuple[str, str]] = set()
        for index, grant in enumerate(self.grants):
            for name in grant.pair:
                _check_known(f"grants.{index}.between", "domain", name, self.domains)
            if all(name in self.hosts for name in grant.pair):
                raise ValueError(
                    f"grants.{index}: {' and '.join(grant.pair)} are hosts, which share no memory: "
                    "one of the two has to be a guest"
                )
            if grant.pair in seen:
                raise ValueError(f"grants.{index}: {'-'.join(grant.pair)} is granted twice")
            seen.add(grant.pair)

    @property
    def domains(self) -> tuple[str, ...]:
        """All that have an address: guests, and hosts for guests."""
        return (*self.guests, *self.hosts)

    def guest_id(self, name: str) -> int:
        """The guest's domain id: its place in the file, from 3 on."""
        return naming.FIRST_GUEST_ID + list(self.guests).index(name)

    def networks_of(self, guest: str) -> tuple[str, ...]:
        """The networks that guest has a card in, in the order of its cards."""
        chosen = self.guests[guest].networks
        return tuple(self.networks) if chosen is None else chosen

    def network_index(self, network: str) -> int:
        """The network's place in the file, from 0 on: names and addresses follow from it."""
        return list(self.networks).index(network)

    def addresses_of(self, guest: str) -> tuple[str, ...]:
        """Its address in each of its networks, in the order of its cards."""
        indexes = map(self.network_index, self.networks_of(guest))
        return tuple(naming.guest_address(self.guest_id(guest), index) for index in indexes)

    def common_network(self, pair: tuple[str, str]) -> str | None:
        """The first network both guests have a card in; None when there is none. A host is in no
        network of guests.
        """
        if any(name in self.hosts for name in pair):
            return None
        others = self.networks_of(pair[1])
        return next((network for network in self.networks_of(pair[0]) if network in others), None)

    def region_bytes(self) -> int:
        """What all regions take at most, all hosts together."""
        return sum(grant.size for grant in self.grants)

    def region_bytes_on(self, host: str) -> int:
        """What regions take of that host if every pair meets there that can."""
        return sum(grant.size for grant in self.grants if self.can_share_on(host, grant.pair))

    def can_share_on(self, host: str, pair: tuple[str, str]) -> bool:
        """Whether the two may ever share memory there: with a host only on that host."""
        return all(name not in self.hosts or name == host for name in pair)

    def relative_to(self, folder: PurePath) -> Topology:
        """The same with every relative path of a file taken from `folder`."""
        guests = {name: _placed(guest, folder) for name, guest in self.guests.items()}
        return self.model_copy(update={"guests": guests})


def _placed(guest: GuestSpec, folder: PurePath) -> GuestSpec:
    names = ("kernel", "initrd", "modules", *(("image",) if guest.disk_image else ()))
    given = {name: value for name in names if (value := getattr(guest, name))}
    files = {name: str(folder / value) for name, value in given.items()}
    disks = tuple(
        disk.model_copy(update={"file": str(folder / disk.file)}) if disk.file else disk
        for disk in guest.disks
    )
    return guest.model_copy(update={**files, "disks": disks})


def _check_known(where: str, kind: str, name: str, valid: Iterable[str]) -> None:
    if name not in valid:
        raise ValueError(f"{where}: there is no {kind} {name!r}: {hint(name, valid, kind + 's')}")


def lab_topology() -> Topology:
    """The embedded default: two hosts, two guests on the first, one grant."""
    return Topology(
        name="lab",
        hosts={"h1": HostSpec(), "h2": HostSpec()},
        guests={"g1": GuestSpec(host="h1"), "g2": GuestSpec(host="h1")},
        grants=(GrantSpec(between=("g1", "g2")),),
    )
