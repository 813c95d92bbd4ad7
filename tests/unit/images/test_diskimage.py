"""Disk images of the user's: told apart by their first bytes."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.images.diskimage import DiskImage, format_of


def qcow2(path: Path, *, version: int = 3, backing: int = 0, features: int = 0) -> Path:
    header = struct.pack(">4sIQ", b"QFI\xfb", version, backing).ljust(72, b"\0")
    path.write_bytes(header + features.to_bytes(8, "big"))
    return path


@pytest.mark.parametrize("content", [b"", b"QFI\xfb", b"\xeb\x63\x90" * 60])
def test_what_is_no_qcow2_is_raw(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "disk").write_bytes(content)
    assert format_of(tmp_path / "disk") == "raw"


@pytest.mark.parametrize("version", [2, 3])
def test_a_whole_qcow2_is_one(tmp_path: Path, version: int) -> None:
    assert format_of(qcow2(tmp_path / "disk", version=version)) == "qcow2"


@pytest.mark.parametrize("lack", [{"backing": 64}, {"features": 4}])
def test_a_part_of_a_disk_is_refused(tmp_path: Path, lack: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="only a part of a disk"):
        format_of(qcow2(tmp_path / "disk", **lack))


def test_a_changed_file_is_another_image(tmp_path: Path) -> None:
    path = qcow2(tmp_path / "disk")
    before = DiskImage.of(path)
    assert DiskImage.of(path) == before
    os.utime(path, ns=(1, 1))
    assert DiskImage.of(path).digest != before.digest
