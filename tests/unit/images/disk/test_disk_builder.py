"""The builder of disks: what is made again, and what goes in. What it runs is made up."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.config import REPOSITORY
from harness.errors import CommandFailed, TestbedError, UsageError
from harness.events import EventLog
from harness.images.disk import builder, deb, rootfs
from harness.images.disk.builder import DiskBuilder
from harness.images.disk.debian import RECIPE
from harness.images.disk.recipe import DiskRecipe
from harness.images.image import Image
from harness.images.recipe import read
from harness.run import Completed

RELEASE = "6.1.0-56-cloud-amd64"
DISTRIBUTION = {"ID": "debian", "VERSION_ID": "12", "VERSION_CODENAME": "bookworm"}


class Machine:
    """Every program that a build runs; keeps what the last disk was finished with."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.additions: dict[str, tarfile.TarInfo] = {}
        self.had_agent = False
        self.removed: list[str] = []

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        words = list(argv)
        command = Path(words[words.index("--") + 1] if words[0] == "unshare" else words[0]).name
        self.calls.append(command)
        if command == "bootstrap":
            Path(words[-1]).write_text("root")
        elif command == "dpkg-deb":
            Path(words[-1]).write_text("package")
        elif command == "tar":
            self.unpack(Path(words[words.index("-C") + 1]))
        elif command == "finish":
            self.look(Path(words[words.index("--") + 2]))
        elif command == "qemu-img":
            Path(words[-1]).write_text("qcow2")
        return Completed(tuple(argv), 0, "", "")

    def unpack(self, place: Path) -> None:
        modules = place / "lib" / "modules" / RELEASE
        modules.mkdir(parents=True)
        names = ("crc32c_generic", "virtio_pci", "virtio_blk", "ext4")
        (modules / "modules.builtin").write_text("".join(f"kernel/{n}.ko\n" for n in names))
        for name in (f"boot/vmlinuz-{RELEASE}", "bin/busybox"):
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(name)

    def look(self, work: Path) -> None:
        self.had_agent = (work / "agent.deb").exists()
        self.removed = (work / "removed").read_text().splitlines()
        with tarfile.open(fileobj=io.BytesIO((work / "additions.tar").read_bytes())) as archive:
            self.additions = {member.name: member for member in archive}


class Bench:
    """A repository that can be changed, a cache, and a machine."""

    def __init__(self, folder: Path) -> None:
        self.machine, self.repository, self.cache = Machine(), folder / "repository", folder / "c"
        for name in ("images", "guest-agent/packaging", "guest-agent/src/daemon"):
            shutil.copytree(REPOSITORY / name, self.repository / name)
        for name in ("domsockd", "domsock"):
            (self.repository / "guest-agent" / "build").mkdir(exist_ok=True)
            (self.repository / "guest-agent" / "build" / name).write_text(name)

    def build(self, *, bare: bool = False, refresh: bool = False) -> Image:
        self.machine.calls.clear()
        made = DiskBuilder(
            self.repository / RECIPE,
            self.repository,
            self.cache,
            EventLog(),
            self.machine.run,
            bare=bare,
        )
        return made.build(refresh=refresh)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(builder.platform, "freedesktop_os_release", lambda: DISTRIBUTION)
    monkeypatch.setattr(builder.tools, "require", lambda: None)
    monkeypatch.setattr(rootfs.sources, "machines_own", lambda *_: {"debian.sources": "deb"})
    code = tmp_path / "mbr.bin"
    code.write_bytes(bytes(440))
    monkeypatch.setattr(builder.tools, "MBR", code)
    return Bench(tmp_path)


def test_a_second_build_runs_nothing_but_the_packages(bench: Bench) -> None:
    first = bench.build()
    assert {"bootstrap", "finish", "qemu-img"} <= set(bench.machine.calls)
    assert bench.build() == first
    assert bench.machine.calls == ["dpkg-deb"]


def test_another_script_of_ours_makes_a_disk_but_installs_nothing(bench: Bench) -> None:
    first = bench.build()
    with (bench.repository / "images" / "debian" / "init").open("a") as file:
        file.write("# changed\n")
    assert bench.build().digest != first.digest
    assert "finish" in bench.machine.calls and "bootstrap" not in bench.machine.calls


def test_other_packages_are_installed_anew(bench: Bench) -> None:
    bench.build()
    recipe = bench.repository / RECIPE
    recipe.write_text(recipe.read_text().replace("- socat", "- curl"))
    bench.build()
    assert "bootstrap" in bench.machine.calls


def test_refresh_asks_for_the_newest_packages(bench: Bench) -> None:
    bench.build()
    bench.build(refresh=True)
    assert "bootstrap" in bench.machine.calls


def test_a_damaged_disk_is_made_again(bench: Bench) -> None:
    disk = bench.build().disk
    assert disk is not None
    disk.write_text("damaged")
    assert bench.build().disk == disk and disk.read_text() == "qcow2"


def test_only_our_own_image_has_the_agent(bench: Bench) -> None:
    generator = "etc/systemd/system-generators/testbed-network"
    bench.build()
    assert bench.machine.had_agent and bench.machine.additions[generator].mode == 0o755
    assert "usr/sbin/qemu-ga" not in bench.machine.removed
    bench.build(bare=True)
    assert not bench.machine.had_agent and generator not in bench.machine.additions
    assert "usr/sbin/qemu-ga" in bench.machine.removed


def test_what_is_added_belongs_to_root(bench: Bench) -> None:
    bench.build()
    owners = {(member.uid, member.gid) for member in bench.machine.additions.values()}
    assert owners == {(0, 0)}
    masked = bench.machine.additions["etc/systemd/system/apt-daily.timer"]
    assert masked.issym() and masked.linkname == "/dev/null"


def test_it_is_booted_with_the_recipes_arguments(bench: Bench) -> None:
    image = bench.build()
    assert image.kernel_arguments[0] == "root=/dev/vda2"
    assert "net.ifnames=0" in image.kernel_arguments and image.kernel_release == RELEASE
    assert image.disk_image is not None and image.disk_image.digest == image.digest


def test_a_mirror_out_of_reach_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: Sequence[str], **given: Any) -> Completed:
        if "bootstrap" in " ".join(argv):
            raise CommandFailed(argv, 25, "", "E: Failed to fetch\nE: apt-get update failed")
        return Machine().run(argv, **given)

    monkeypatch.setattr(bench.machine, "run", run)
    with pytest.raises(TestbedError, match="cannot be installed") as caught:
        bench.build()
    assert "Failed to fetch" in caught.value.why and "apt-get update" in caught.value.fix
    assert not list((bench.cache / "disks").glob("root-*"))


def test_another_distribution_is_refused_with_those_that_are_known() -> None:
    recipe = read(REPOSITORY / RECIPE, DiskRecipe)
    assert "systemd" in recipe.packages_of("debian")
    with pytest.raises(UsageError, match="fedora") as caught:
        recipe.packages_of("fedora")
    assert "debian" in caught.value.why


def test_every_file_that_the_recipe_names_is_there() -> None:
    recipe = read(REPOSITORY / RECIPE, DiskRecipe)
    sources = (*recipe.always.files.values(), *recipe.guest.files.values())
    assert all((REPOSITORY / source.path).is_file() for source in sources)
    assert (REPOSITORY / recipe.initrd.init).is_file() and deb.RECIPE
