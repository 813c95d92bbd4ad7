"""Which packages are chosen, and what happens when apt's lists or the network fail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CommandFailed, TestbedError
from harness.images import apt
from harness.images.apt import Apt, Package
from harness.images.packages import Packages
from harness.run import Completed

DEPENDS = """\
qemu-guest-agent
  Depends: libc6
 |Depends: libglib2.0-0
  PreDepends: init-system-helpers
  Depends: <libvirtual>
libc6
  Depends: libgcc-s1
libglib2.0-0
  Depends: libc6
libgcc-s1
  Depends: gcc-12-base
linux-image-cloud-amd64
  Depends: linux-image-6.1.0-56-cloud-amd64
linux-image-6.1.0-56-cloud-amd64
  Depends: kmod
  Depends: libfile-find-rule-perl
"""
ROOTS = ("linux-image-cloud-amd64", "qemu-guest-agent")
ALL = {
    "qemu-guest-agent",
    "libc6",
    "libglib2.0-0",
    "libgcc-s1",
    "linux-image-cloud-amd64",
    "linux-image-6.1.0-56-cloud-amd64",
}


class FakeApt:
    """apt as far as it is asked. `known`: its lists are there from the start."""

    def __init__(self, *, known: bool = True, network: bool = True) -> None:
        self.known, self.network = known, network
        self.calls: list[str] = []

    def run(self, argv: Sequence[str], **how: Any) -> Completed:
        verb = next(word for word in argv[1:] if word in VERBS)
        self.calls.append(verb)
        return Completed(tuple(argv), 0, VERBS[verb](self, argv, **how) or "", "")

    def update(self, argv: Sequence[str], **_: Any) -> None:
        if not self.network:
            raise CommandFailed(argv, 100, "", "E: Failed to fetch: could not resolve the mirror")
        self.known = True

    def depends(self, argv: Sequence[str], **_: Any) -> str:
        if not self.known:
            raise CommandFailed(argv, 100, "", "E: No packages found")
        return DEPENDS

    def policy(self, argv: Sequence[str], **_: Any) -> str:
        names = argv[argv.index("policy") + 1 :]
        return "".join(
            f"{name}:\n  Installed: (none)\n  Candidate: 1:2-3\n  Version table:\n"
            for name in names
        )

    def download(self, argv: Sequence[str], *, cwd: Path, **_: Any) -> None:
        for wanted in argv[argv.index("download") + 1 :]:
            name, version = wanted.split("=")
            (cwd / f"{name}_{version.replace(':', '%3a')}_amd64.deb").write_text("whole")

    def unpack(self, argv: Sequence[str], **_: Any) -> None:
        if Path(argv[2]).read_text() != "whole":
            raise CommandFailed(argv, 2, "", "dpkg-deb: error: unexpected end of file")


VERBS = {
    "update": FakeApt.update,
    "depends": FakeApt.depends,
    "policy": FakeApt.policy,
    "download": FakeApt.download,
    "-x": FakeApt.unpack,
}


def packages(fake: FakeApt, folder: Path) -> Packages:
    return Packages(Apt(fake.run, folder / "apt"), fake.run, folder / "files", ROOTS)


def test_libraries_and_the_kernel_behind_a_metapackage_are_followed() -> None:
    assert set(apt.closure(apt.parse_depends(DEPENDS), ROOTS)) == ALL


def test_a_package_without_a_candidate_is_none() -> None:
    text = "a:\n  Installed: (none)\n  Candidate: (none)\nb:\n  Installed: 1\n  Candidate: 2\n"
    assert apt.parse_candidates(text) == {"b": "2"}


def test_a_file_name_of_apts() -> None:
    assert Path("/x/busybox-static_1%3a1.35.0-4_amd64.deb").match(
        Package("busybox-static", "1:1.35.0-4").pattern
    )


def test_the_machines_own_lists_serve(tmp_path: Path) -> None:
    fake = FakeApt()
    chosen = packages(fake, tmp_path).fetch(refresh=False)
    assert {package.name for package in chosen} == ALL
    assert "update" not in fake.calls
    assert len(list((tmp_path / "files").glob("*.deb"))) == len(ALL)


def test_a_machine_without_lists_fetches_its_own(tmp_path: Path) -> None:
    fake = FakeApt(known=False)
    assert packages(fake, tmp_path).fetch(refresh=False)
    assert fake.calls.count("update") == 1


def test_files_that_are_there_are_not_fetched_again(tmp_path: Path) -> None:
    fake = FakeApt()
    packages(fake, tmp_path).fetch(refresh=False)
    packages(fake, tmp_path).fetch(refresh=False)
    assert fake.calls.count("download") == 1


def test_refresh_asks_for_new_lists(tmp_path: Path) -> None:
    fake = FakeApt()
    packages(fake, tmp_path).fetch(refresh=True)
    assert fake.calls[0] == "update"


def test_without_network_the_error_says_why_and_what_next(tmp_path: Path) -> None:
    with pytest.raises(TestbedError) as caught:
        packages(FakeApt(known=False, network=False), tmp_path).fetch(refresh=False)
    assert "could not resolve the mirror" in str(caught.value)
    assert "reaches its mirror" in caught.value.fix
    assert "qemu-guest-agent" in caught.value.where


def test_a_damaged_file_is_fetched_once_more(tmp_path: Path) -> None:
    fake = FakeApt()
    got = packages(fake, tmp_path)
    chosen = got.fetch(refresh=False)
    next((tmp_path / "files").glob("libc6_*")).write_text("half")
    got.unpack(chosen, tmp_path / "root")
    assert fake.calls.count("download") == 2
