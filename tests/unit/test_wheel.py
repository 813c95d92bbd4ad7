"""A wheel holds all that the testbed works with, so that it needs no tree of sources."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import run
from harness.config import REPOSITORY
from harness.images.disk import builder, deb, rootfs
from harness.images.disk.debian import RECIPE as DEBIAN
from harness.images.disk.recipe import DiskRecipe
from harness.images.micro import RECIPE as MICRO
from harness.images.recipe import load, read
from tests.wheel import make_wheel

SHIPPED = "harness/shipped"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree's wheel."""
    return make_wheel(tmp_path_factory.mktemp("wheel") / "tree")


def sources() -> Iterator[str]:
    """Every file that a recipe or the code names."""
    micro, debian = load(REPOSITORY / MICRO), read(REPOSITORY / DEBIAN, DiskRecipe)
    package = read(REPOSITORY / deb.RECIPE, deb.DebRecipe)
    additions = (debian.always.files, debian.guest.files)
    for files in (micro.files, package.files, *additions):
        yield from (source.path for source in files.values())
    yield from package.scripts.values()
    yield from (MICRO, DEBIAN, deb.RECIPE, package.version_from, debian.initrd.init)
    yield from (rootfs.BOOTSTRAP, builder.FINISH)
    for path in (REPOSITORY / "playbooks").rglob("*"):
        if path.is_file():
            yield str(path.relative_to(REPOSITORY))


def test_it_holds_every_source_as_it_is_in_the_tree(wheel: Path) -> None:
    wanted = set(sources())
    assert len(wanted) > 40
    with zipfile.ZipFile(wheel) as archive:
        for source in wanted:
            entry = archive.getinfo(f"{SHIPPED}/{source}")
            file = REPOSITORY / source
            if "/build/" not in source:
                assert archive.read(entry) == file.read_bytes(), source
            assert bool(entry.external_attr >> 16 & 0o100) == bool(file.stat().st_mode & 0o100)


def test_it_holds_no_object_files_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".o", ".d")) or name.startswith("tests")]


def test_it_fits_any_python_on_this_kind_of_machine(wheel: Path) -> None:
    tag = wheel.stem.split("-", 2)[2]
    assert tag.startswith("py3-none-linux_") and tag.endswith("x86_64")


def test_what_is_installed_from_it_finds_its_parts(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    ask = "from harness import config; print(config.INSTALLED, config.REPOSITORY)"
    argv = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {ask}"]
    assert run.run(argv).stdout.split() == ["True", str(tmp_path / SHIPPED)]
