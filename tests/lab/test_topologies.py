"""What a topology can say, with real guests: disks, q35, own kernel and QEMU, networks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import config, run
from harness.events import EventLog
from harness.images import cpio
from harness.images.image import Image
from harness.images.micro import build_micro
from tests.lab.support import User, nothing_left

pytestmark = pytest.mark.long

HIDDEN = ("/root", "/tmp", "/var")  # from a host of the lab
PATTERN = (
    "for d in vda vdb vdc; do dd if=/dev/urandom of=/dev/$d bs=1M count=4 seek=9 && sync; done"
)
SUMS = "echo 3 >/proc/sys/vm/drop_caches; sha256sum /dev/vda /dev/vdb /dev/vdc"
TOPOLOGY = """\
name: lab
hosts:
  h1: {{}}
  h2: {{qemu: {qemu}}}
networks:
  red: {{}}
  blue: {{mtu: 1280}}
guests:
  g1:
    host: h1
    networks: [blue]
    disks:
      - {{size: 32 MiB}}
      - {{file: base.raw, format: raw}}
      - {{size: 32 MiB, format: raw, shared: true}}
  g2: {{host: h1, machine: q35}}
  loner: {{host: h2, networks: [], kernel: kernel, modules: {modules}, append: own.word}}
grants:
  - {{between: [g1, g2], size: 32 MiB}}
"""


@pytest.fixture(scope="module")
def another_qemu() -> Iterator[Path]:
    """A second QEMU, at a place that the lab's hosts see."""
    build = config.REPOSITORY / "guest-agent" / "build"
    if str(build).startswith(HIDDEN):
        pytest.skip(f"a host of the lab does not see {build}")
    folder = Path(tempfile.mkdtemp(prefix="qemu-", dir=build))
    program = folder / "qemu-system-x86_64"
    program.write_text('#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 "$@"\n')
    program.chmod(0o755)
    yield program
    shutil.rmtree(folder)


def modules_of(image: Image, folder: Path) -> Path:
    """The kernel's modules, as its package has them."""
    packages = config.cache_dir() / "images" / "packages"
    [package] = packages.glob(f"linux-image-{image.kernel_release}_*.deb")
    run.run(["dpkg-deb", "-x", str(package), str(folder)])
    return next(folder.glob(f"**/modules/{image.kernel_release}"))


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory, another_qemu: Path) -> Iterator[User]:
    """A testbed with one of everything."""
    home = tmp_path_factory.mktemp("varied")
    image = build_micro(config.cache_dir(), config.REPOSITORY, EventLog())
    (home / "cache").symlink_to(config.cache_dir())
    shutil.copyfile(image.kernel, home / "kernel")
    (home / "base.raw").write_bytes(bytes(range(256)) * (32 << 12))
    modules = modules_of(image, home / "package")
    (home / "t.yaml").write_text(TOPOLOGY.format(qemu=another_qemu, modules=modules))
    user = User(home)
    with nothing_left():
        user.ok("up", "t.yaml")
        try:
            yield user
        finally:
            user.ok("down")


def test_disks_keep_their_bytes_there_and_back(varied: User) -> None:
    """On the way it is run by another QEMU, too."""
    varied.ok("exec", "g1", "--", "sh", "-c", PATTERN)
    written = varied.ok("exec", "g1", "--", "sh", "-c", SUMS)
    for host, other in (("h2", "h1"), ("h1", "h2")):
        varied.ok("migrate", "g1", "--to", host)
        assert varied.ok("exec", "g1", "--", "sh", "-c", SUMS) == written
        disks = varied.home / "state" / "testbeds" / "lab" / "lab" / "disks"
        assert len(list((disks / host).glob("*/g1-*"))) == 2
        assert list((disks / other).glob("*/g1-*")) == []
    assert (varied.home / "base.raw").read_bytes() == bytes(range(256)) * (32 << 12)


def test_a_region_is_plugged_into_a_q35_and_comes_back_after_a_move(varied: User) -> None:
    [before] = varied.json("grants")
    varied.ok("migrate", "g2", "--to", "h2")
    varied.ok("migrate", "g2", "--to", "h1")
    [after] = varied.json("grants")
    assert (before["path"], after["path"]) == ("shm", "shm")
    assert after["generation"] > before["generation"]


def test_cards_are_in_the_networks_that_were_asked_for(varied: User) -> None:
    found = {guest["name"]: guest["addresses"] for guest in varied.json("inspect", "lab")["guests"]}
    assert found == {
        "g1": ["10.100.0.3"],
        "g2": ["10.99.0.4", "10.100.0.4"],
        "loner": [],
    }
    assert "mtu 1280" in varied.ok("exec", "g1", "--", "ip", "link", "show", "eth0")
    varied.ok("exec", "g1", "--", "ping", "-c", "1", "-W", "10", "10.100.0.4")
    links = varied.ok("exec", "loner", "--", "ls", "/sys/class/net")
    assert links.split() == ["lo"]


def test_a_kernel_of_ones_own_has_its_modules_and_its_words(varied: User) -> None:
    assert " own.word" in varied.ok("exec", "loner", "--", "cat", "/proc/cmdline")
    assert "virtio_console" in varied.ok("exec", "loner", "--", "cat", "/proc/modules")


@pytest.mark.parametrize("own_initrd", [False, True], ids=["alone", "with its initrd"])
def test_a_kernel_on_the_command_line_boots_all_guests(root: User, own_initrd: bool) -> None:
    """Alone it gets micro's initrd, which has the modules of this one."""
    image = build_micro(config.cache_dir(), config.REPOSITORY, EventLog())
    shutil.copyfile(image.kernel, root.home / "bzImage")
    assert image.initrd is not None
    mark = cpio.archive([cpio.file("etc/whose", b"mine\n")])
    (root.home / "own.cpio").write_bytes(image.initrd.read_bytes() + mark)
    initrd = ("--initrd", "own.cpio") if own_initrd else ()
    with nothing_left():
        root.ok("up", "--kernel", "bzImage", *initrd, "--append", "own.word")
        try:
            assert " own.word" in root.ok("exec", "g1", "--", "cat", "/proc/cmdline")
            release = root.ok("exec", "g2", "--", "uname", "-r").strip()
            assert release == image.kernel_release
            whose = root.run("exec", "g2", "--", "cat", "/etc/whose")
            assert whose.stdout == ("mine\n" if own_initrd else "")
            assert [grant["path"] for grant in root.json("grants")] == ["shm"]
        finally:
            root.ok("down")


EXAMPLES = sorted((config.REPOSITORY / "examples" / "topologies").glob("*.yaml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_comes_up(root: User, example: Path) -> None:
    with nothing_left():
        root.ok("up", str(example))
        try:
            guests = root.json("inspect", example.stem)["guests"]
            assert guests and {guest["state"] for guest in guests} == {"running"}
        finally:
            root.ok("down", example.stem)
