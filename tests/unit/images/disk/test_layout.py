"""A disk that the firmware can boot: where its parts lie, looked at in a real file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness import run
from harness.images.disk import layout, namespace, tools

SIZE = 100 * layout.MIB

needs_tools = pytest.mark.skipif(
    any(not shutil.which(name, path=tools.path()) for name in ("sfdisk", "mformat", "syslinux"))
    or not tools.MBR.exists(),
    reason="sfdisk, mtools and syslinux make the disk",
)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    for name in ("kernel", "initrd"):
        (tmp_path / name).write_text(f"the {name}")
    (tmp_path / "loader").write_text(layout.loader_configuration(["root=/dev/vda2", "quiet"]))
    made = layout.Disk(path, SIZE, run.run)
    made.fill_boot(tmp_path / "kernel", tmp_path / "initrd", tmp_path / "loader")
    return path


@needs_tools
def test_there_is_an_active_partition_to_boot_and_one_for_the_root(disk: Path) -> None:
    told = run.run(["sfdisk", "--json", str(disk)], env=namespace.environment()).stdout
    boot, root = json.loads(told)["partitiontable"]["partitions"]
    assert boot["bootable"] and boot["start"] * layout.SECTOR == layout.BOOT_START
    assert (boot["start"] + boot["size"]) * layout.SECTOR == layout.ROOT_START
    assert root["start"] * layout.SECTOR == layout.ROOT_START
    assert root["size"] * layout.SECTOR == layout.root_kib(SIZE) * 1024


@needs_tools
def test_boot_code_stands_in_front_of_the_table(disk: Path) -> None:
    head = disk.read_bytes()[: layout.SECTOR]
    code = tools.MBR.read_bytes()[: layout.BOOT_CODE_BYTES]
    assert head.startswith(code) and head.endswith(b"\x55\xaa")


@needs_tools
def test_the_boot_loader_finds_what_it_is_to_load(disk: Path) -> None:
    place = f"{disk}@@{layout.BOOT_START}"

    def read(name: str) -> str:
        return run.run(["mtype", "-i", place, f"::/{name}"], env=namespace.environment()).stdout

    assert read("kernel") == "the kernel" and read("initrd") == "the initrd"
    assert "APPEND root=/dev/vda2 quiet\n" in read("syslinux.cfg")
    with disk.open("rb") as file:
        file.seek(layout.BOOT_START)
        assert b"SYSLINUX" in file.read(layout.SECTOR)


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "path", lambda: "/nowhere")
    with pytest.raises(tools.TestbedError, match="mmdebstrap") as caught:
        tools.require()
    assert "mtools" in caught.value.fix and "e2fsprogs" in caught.value.fix


def test_only_who_is_not_root_needs_a_range_of_ids() -> None:
    assert "--map-auto" in namespace.inside(["true"], root=False)
    assert "--user" not in namespace.inside(["true"], root=True)
    assert namespace.inside(["true"], root=True)[-2:] == ["--", "true"]
