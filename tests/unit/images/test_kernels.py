"""Kernels of the user's own: known by their header, given an initrd that fits."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from harness.errors import UsageError
from harness.images.image import Image
from harness.images.kernels import OwnKernels, check_modules, release_of
from harness.images.micro import RECIPE
from harness.model.topology import GuestSpec

RELEASE = "6.9.0-mine"


def bzimage(path: Path, release: str = RELEASE) -> Path:
    """A file with the header of a kernel, and nothing behind it."""
    header = bytearray(0x300)
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", header, 0x20E, 0x90)
    text = f"{release} (me@here) #1 SMP".encode()
    header[0x290 : 0x290 + len(text)] = text
    path.write_bytes(header)
    return path


@pytest.fixture
def micro(tmp_path: Path) -> Image:
    (tmp_path / "micro-initrd").write_bytes(b"micro's archive")
    kernel = bzimage(tmp_path / "micro-kernel", "6.1.0-theirs")
    return Image(kernel, tmp_path / "micro-initrd", "m", "6.1.0-theirs", ("quiet",))


@pytest.fixture
def kernels(tmp_path: Path) -> OwnKernels:
    return OwnKernels(REPOSITORY / RECIPE, tmp_path / "cache")


def guest(**more: object) -> GuestSpec:
    return GuestSpec.model_validate({"host": "h1", **more})


def test_a_kernel_tells_its_release(tmp_path: Path) -> None:
    assert release_of(bzimage(tmp_path / "k")) == RELEASE


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(0x300)])
def test_what_is_no_kernel_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(UsageError, match="no kernel that QEMU can boot"):
        release_of(tmp_path / "k")


def test_modules_of_another_kernel_are_refused(tmp_path: Path) -> None:
    (tmp_path / "6.9.0-other").mkdir()
    with pytest.raises(UsageError, match="does not fit the kernel") as caught:
        check_modules(tmp_path / "6.9.0-other", RELEASE)
    assert f"lib/modules/{RELEASE}" in caught.value.fix
    with pytest.raises(UsageError, match="no folder of modules"):
        check_modules(tmp_path / "absent", RELEASE)


def test_without_modules_micros_initrd_serves_and_the_advice_says_what_must_be_built_in(
    tmp_path: Path, micro: Image, kernels: OwnKernels
) -> None:
    spec = guest(kernel=str(bzimage(tmp_path / "k")))
    image = kernels.image(spec, micro)
    assert image.initrd and image.initrd.read_bytes() == b"micro's archive"
    assert (image.kernel_release, image.kernel_arguments) == (RELEASE, ("quiet",))
    assert "build in virtio_pci" in kernels.advice(spec, image, micro)


def test_an_initrd_of_the_users_is_taken_as_it_is(
    tmp_path: Path, micro: Image, kernels: OwnKernels
) -> None:
    (tmp_path / "own").write_bytes(b"own archive")
    spec = guest(kernel=str(bzimage(tmp_path / "k")), initrd=str(tmp_path / "own"))
    image = kernels.image(spec, micro)
    assert image.initrd and image.initrd.read_bytes() == b"own archive"
    assert "must start domsockd" in kernels.advice(spec, image, micro)


def test_modules_go_behind_micros_initrd(tmp_path: Path, micro: Image, kernels: OwnKernels) -> None:
    folder = tmp_path / "lib" / "modules" / RELEASE
    folder.mkdir(parents=True)
    names = ("virtio_net", "virtio_console", "virtio_blk")
    for name in names:
        (folder / f"{name}.ko").write_bytes(b"\0depends=\0")
    (folder / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    spec = guest(kernel=str(bzimage(tmp_path / "k")), modules=str(folder))
    image = kernels.image(spec, micro)
    initrd = image.initrd.read_bytes() if image.initrd else b""
    assert initrd.startswith(b"micro's archive")
    assert f"usr/lib/modules/{RELEASE}/virtio_blk.ko".encode() in initrd
    assert " ".join(names).encode() + b"\n" in initrd
    assert kernels.advice(spec, image, micro) == ""


def test_a_kernel_for_debian_gets_the_modules_of_its_root_too(
    tmp_path: Path, micro: Image, kernels: OwnKernels
) -> None:
    folder = tmp_path / RELEASE
    folder.mkdir()
    names = ("virtio_pci", "virtio_net", "virtio_console", "virtio_blk", "crc32c_generic", "ext4")
    for name in names:
        (folder / f"{name}.ko").write_bytes(b"\0depends=\0")
    debian = replace(micro, disk=tmp_path / "disk.qcow2", kernel_arguments=("root=/dev/vda2",))
    own = {"kernel": str(bzimage(tmp_path / "k")), "modules": str(folder)}
    spec = guest(image="debian", memory="256 MiB", **own)
    image = kernels.image(spec, debian)
    assert image.initrd and " ".join(names).encode() + b"\n" in image.initrd.read_bytes()
    assert image.kernel_arguments == ("root=/dev/vda2",)


def test_a_kernel_for_a_disk_image_has_no_initrd(
    tmp_path: Path, micro: Image, kernels: OwnKernels
) -> None:
    spec = guest(kernel=str(bzimage(tmp_path / "k")), image="./d.qcow2")
    assert kernels.image(spec, micro).initrd is None
