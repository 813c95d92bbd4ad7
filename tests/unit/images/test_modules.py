"""Modules: what they need comes first, what is built in is left out."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
import zstandard

from harness.errors import TestbedError
from harness.images import modules


def module(depends: str) -> bytes:
    return b"\x7fELF...\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A kernel's folder with each way in which distributions pack modules."""
    drivers = tmp_path / "kernel/drivers"
    drivers.mkdir(parents=True)
    (drivers / "virtio_ring.ko").write_bytes(module(""))
    (drivers / "virtio.ko.xz").write_bytes(lzma.compress(module("virtio_ring")))
    zst = zstandard.ZstdCompressor().compress(module("virtio,virtio_ring,failover"))
    (drivers / "virtio-net.ko.zst").write_bytes(zst)
    (tmp_path / "modules.builtin").write_text("kernel/net/core/failover.ko\nkernel/rng-core.ko\n")
    return tmp_path


def test_each_behind_what_it_needs(kernel: Path) -> None:
    found = modules.needed(kernel, ["virtio_net"])
    assert [one.name for one in found] == ["virtio_ring", "virtio", "virtio_net"]
    assert all(one.data.startswith(b"\x7fELF") for one in found)


def test_hyphens_and_underscores_are_the_same(kernel: Path) -> None:
    assert modules.needed(kernel, ["virtio-net"]) == modules.needed(kernel, ["virtio_net"])


def test_what_is_built_in_is_left_out(kernel: Path) -> None:
    assert modules.needed(kernel, ["failover", "rng_core"]) == []


def test_a_module_that_the_kernel_lacks_is_named(kernel: Path) -> None:
    with pytest.raises(TestbedError, match="no module nonesuch"):
        modules.needed(kernel, ["virtio", "nonesuch"])


def test_modprobes_file_lists_everything_below_the_nearest_first(kernel: Path) -> None:
    text = modules.dependency_file(modules.needed(kernel, ["virtio_net"]))
    assert text.splitlines() == [
        "virtio_ring.ko:",
        "virtio.ko: virtio_ring.ko",
        "virtio_net.ko: virtio.ko virtio_ring.ko",
    ]
