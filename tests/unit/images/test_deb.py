"""The agent's package: made by the real dpkg-deb, and what its scripts decide."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from harness import run
from harness.config import REPOSITORY
from harness.errors import TestbedError
from harness.images.disk import deb
from harness.images.recipe import read

PACKAGING = REPOSITORY / "guest-agent" / "packaging"
RECIPE = read(REPOSITORY / deb.RECIPE, deb.DebRecipe)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The recipe and what it names, with stand-ins for the compiled programs."""
    root = tmp_path / "repository"
    for source in (deb.RECIPE, RECIPE.version_from, *RECIPE.scripts.values(), *own_files()):
        (root / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / source, root / source)
    for source in compiled():
        (root / source).parent.mkdir(parents=True, exist_ok=True)
        (root / source).write_text("program")
    return root


def own_files() -> list[str]:
    return [source.path for source in RECIPE.files.values() if not source.made_by]


def compiled() -> list[str]:
    return [source.path for source in RECIPE.files.values() if source.made_by]


def listed(package: Path) -> dict[str, list[str]]:
    """Each file of the package, with the words that `dpkg-deb --contents` says of it."""
    lines = run.run(["dpkg-deb", "--contents", str(package)]).stdout.splitlines()
    return {line.split()[5].removeprefix("./"): line.split() for line in lines}


def test_the_same_files_give_the_same_bytes(repository: Path, tmp_path: Path) -> None:
    first = deb.build_deb(repository, tmp_path / "a", run.run)
    for path in repository.rglob("*"):
        os.utime(path, (1_800_000_000, 1_800_000_000))
    before = os.umask(0o077)
    try:
        second = deb.build_deb(repository, tmp_path / "b", run.run)
    finally:
        os.umask(before)
    assert first.read_bytes() == second.read_bytes()
    assert first.name == second.name


def test_everything_belongs_to_root_and_programs_can_be_run(
    repository: Path, tmp_path: Path
) -> None:
    contents = listed(deb.build_deb(repository, tmp_path / "out", run.run))
    assert {words[1] for words in contents.values()} == {"root/root"}
    assert contents["usr/bin/domsockd"][0] == "-rwxr-xr-x"
    assert contents["lib/systemd/system/domsockd.service"][0] == "-rw-r--r--"


def test_its_version_is_the_agents_own(repository: Path, tmp_path: Path) -> None:
    header = repository / RECIPE.version_from
    header.write_text('#define AGENT_VERSION "7.5.3"\n')
    package = deb.build_deb(repository, tmp_path / "out", run.run)
    assert package.name == "domsock-agent_7.5.3_amd64.deb"
    fields = run.run(["dpkg-deb", "--field", str(package), "Package", "Version"]).stdout
    assert fields == "Package: domsock-agent\nVersion: 7.5.3\n"


def test_a_header_without_a_version_is_named(repository: Path, tmp_path: Path) -> None:
    (repository / RECIPE.version_from).write_text("")
    with pytest.raises(TestbedError, match="version is not known"):
        deb.build_deb(repository, tmp_path / "out", run.run)


def test_without_the_agent_the_error_says_how_to_make_it(repository: Path, tmp_path: Path) -> None:
    (repository / compiled()[0]).unlink()
    with pytest.raises(TestbedError) as caught:
        deb.build_deb(repository, tmp_path / "out", run.run)
    assert caught.value.fix == "make agent"
    assert not list((tmp_path / "out").iterdir())


class Machine:
    """The three places where a machine can be told which domain it is."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def told(self, path: str, data: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def fact(self, name: str) -> str:
        return run.run(["sh", str(PACKAGING / "domain"), name, str(self.root)]).stdout.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """SMBIOS says g1, with a structure's binary head and count in front of its first string."""
    made = Machine(tmp_path)
    oem = b"\x0b\x05\x0e\x00\x02domsock.name=g1\0domsock.id=3\0\0\x7f\x04\xff\xfe\0\0"
    made.told("sys/firmware/dmi/tables/DMI", b"\x01\x1b\0\x01QEMU\0\0" + oem)
    return made


def test_a_guest_of_the_firmware_learns_who_it_is_from_smbios(machine: Machine) -> None:
    assert (machine.fact("name"), machine.fact("id")) == ("g1", "3")


def test_the_kernel_command_line_wins_over_smbios(machine: Machine) -> None:
    machine.told("proc/cmdline", b"quiet domsock.name=g2 domsock.ip=10.99.0.4/16\n")
    assert (machine.fact("name"), machine.fact("id")) == ("g2", "3")
    assert machine.fact("ip") == "10.99.0.4/16"


def test_the_file_wins_over_all(machine: Machine) -> None:
    machine.told("proc/cmdline", b"domsock.name=g2\n")
    machine.told("etc/domsock/agent.conf", b"# domsock.name=no\ndomsock.name=g3\n")
    assert machine.fact("name") == "g3"


def test_nobody_told_is_no_word_at_all(tmp_path: Path) -> None:
    assert Machine(tmp_path).fact("name") == ""


def test_an_agent_without_a_name_is_not_tried_again(tmp_path: Path) -> None:
    script = (PACKAGING / "start-agent").read_text()
    lost = tmp_path / "start-agent"
    lost.write_text(script.replace("/usr/lib/domsock/domain", "true"))
    done = run.run(["sh", str(lost)], check=False)
    assert done.returncode == 78 and "agent.conf" in done.stderr
    unit = (PACKAGING / "domsockd.service").read_text()
    assert "RestartPreventExitStatus=2 78\n" in unit
