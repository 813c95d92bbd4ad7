"""The whole builder, with packages that are made up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import TestbedError
from harness.events import EventLog
from harness.images import builder
from harness.images.builder import Builder
from harness.images.image import Image, command_line, identity, probe_command_line
from harness.run import Completed

STATIC_ELF = b"\x7fELF\x02\x01" + bytes(58)  # no segments: needs no library
RELEASE = "6.1.0-56-cloud-amd64"
RECIPE = {
    "kernel": {
        "packages": {"debian": "linux-image-cloud-amd64"},
        "arguments": ["console=ttyS0", "quiet"],
        "modules": ["virtio"],
        "spare_modules": ["loopback"],
    },
    "packages": ["busybox-static"],
    "programs": {"usr/bin/busybox": "usr/bin/busybox"},
    "applets": {"usr/bin/busybox": ["nc"]},
    "files": {
        "init": {"path": "init", "executable": True},
        "usr/bin/domsockd": {"path": "build/domsockd", "executable": True, "made_by": "make agent"},
    },
    "links": {"bin": "usr/bin"},
    "directories": ["proc"],
}


class Machine:
    """apt, dpkg-deb and busybox; counts what is run."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.kernel = b"kernel 1"

    def run(self, argv: Sequence[str], *, cwd: Path | None = None, **_: Any) -> Completed:
        self.calls.append(Path(argv[0]).name)
        out = ""
        if "policy" in argv:
            out = "".join(f"{name}:\n  Candidate: 1\n" for name in argv[argv.index("policy") + 1 :])
        elif "download" in argv and cwd:
            for wanted in argv[argv.index("download") + 1 :]:
                (cwd / f"{wanted.replace('=', '_')}_amd64.deb").write_text("")
        elif "-x" in argv:
            self.unpack(Path(argv[3]))
        elif "--list" in argv:
            out = "ls\nnc\nsh\n"
        return Completed(tuple(argv), 0, out, "")

    def unpack(self, root: Path) -> None:
        files = {
            f"boot/vmlinuz-{RELEASE}": self.kernel,
            f"lib/modules/{RELEASE}/kernel/virtio.ko": b"\0depends=\0",
            f"lib/modules/{RELEASE}/kernel/loopback.ko": b"\0depends=virtio\0",
            "bin/busybox": STATIC_ELF,
        }
        for name, data in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)


class Bench:
    """A repository, a cache and a machine."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.cache, self.machine = folder / "clone", folder / "cache", Machine()
        self.agent = self.repository / "build/domsockd"
        self.agent.parent.mkdir(parents=True)
        self.agent.write_bytes(b"agent 1")
        (self.repository / "init").write_text("#!/bin/sh\n")
        self.recipe = self.repository / "recipe.yaml"
        self.recipe.write_text(yaml.safe_dump(RECIPE))

    def build(self, *, refresh: bool = False) -> Image:
        made = Builder(self.recipe, self.repository, self.cache, EventLog(), self.machine.run)
        return made.build(refresh=refresh)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    system = {"ID": "debian", "VERSION_ID": "12"}
    monkeypatch.setattr(builder.platform, "freedesktop_os_release", lambda: system)
    return Bench(tmp_path)


def test_an_image_has_what_the_recipe_says(bench: Bench) -> None:
    image = bench.build()
    assert image.kernel.read_bytes() == b"kernel 1"
    assert image.kernel_release == RELEASE
    archive = image.initrd.read_bytes()
    for name in (b"usr/bin/ls\0", b"bin\0", b"usr/bin/domsockd\0", b"virtio.ko\0", b"agent 1"):
        assert name in archive
    assert b"usr/bin/nc\0" not in archive


def test_a_spare_module_is_there_and_no_boot_loads_it(bench: Bench) -> None:
    archive = bench.build().initrd.read_bytes()
    assert b"loopback.ko: virtio.ko\n" in archive
    assert b"etc/modules" in archive
    assert b"\0virtio\n" in archive
    assert b"virtio loopback\n" not in archive


def test_a_warm_build_runs_nothing(bench: Bench) -> None:
    first = bench.build()
    bench.machine.calls.clear()
    assert bench.build() == first
    assert bench.machine.calls == []


def test_a_new_agent_makes_a_new_image_of_the_same_packages(bench: Bench) -> None:
    first = bench.build()
    bench.machine.calls.clear()
    bench.agent.write_bytes(b"agent 2")
    second = bench.build()
    assert second.digest != first.digest
    assert b"agent 2" in second.initrd.read_bytes()
    assert bench.machine.calls == []


def test_another_recipe_makes_another_image(bench: Bench) -> None:
    first = bench.build()
    bench.recipe.write_text(yaml.safe_dump(RECIPE | {"directories": ["proc", "sys"]}))
    assert bench.build().digest != first.digest


def test_the_same_inputs_give_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    first = bench.build()
    bench.cache = tmp_path / "another cache"
    second = bench.build()
    assert first.digest == second.digest
    assert first.initrd.read_bytes() == second.initrd.read_bytes()


@pytest.mark.parametrize("file", ["kernel", "initrd"])
def test_a_damaged_image_heals(file: str, bench: Bench) -> None:
    image = bench.build()
    good = (image.initrd.read_bytes(), image.kernel.read_bytes())
    broken = image.initrd.with_name(file)
    broken.write_bytes(broken.read_bytes()[:-1])
    again = bench.build()
    assert (again.initrd.read_bytes(), again.kernel.read_bytes()) == good


def test_a_missing_agent_says_how_to_make_it(bench: Bench) -> None:
    bench.agent.unlink()
    with pytest.raises(TestbedError, match="make agent"):
        bench.build()


def test_refresh_takes_the_packages_that_are_newest_now(bench: Bench) -> None:
    first = bench.build()
    bench.machine.kernel = b"kernel 2"
    assert bench.build().kernel.read_bytes() == b"kernel 1"
    second = bench.build(refresh=True)
    assert second.kernel.read_bytes() == b"kernel 2" and second.digest != first.digest


def test_builders_side_by_side_build_once(bench: Bench) -> None:
    images: list[Image] = []
    threads = [threading.Thread(target=lambda: images.append(bench.build())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(images)) == 1 and len(images) == 4
    assert bench.machine.calls.count("busybox") == 1


def test_the_command_line_says_who_the_guest_is(bench: Bench) -> None:
    image = bench.build()
    line = command_line(image, identity(name="g1", domain_id=3, address="10.99.0.3/16"))
    assert line == "console=ttyS0 quiet domsock.name=g1 domsock.id=3 domsock.ip=10.99.0.3/16"
    assert probe_command_line(image).endswith("domsock.name=probe domsock.probe")
