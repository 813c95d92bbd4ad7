"""The command line without a lab: what it refuses, what it needs, what it says."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from harness.model.topology import lab_topology
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord
from tests.unit.cli.conftest import Command

LOOKS = (["inspect"], ["streams"], ["grants"], ["exec", "g1", "--", "true"], ["console", "g1"])


@pytest.mark.parametrize("arguments", LOOKS)
def test_what_does_not_run_cannot_be_looked_at(testbed: Command, arguments: list[str]) -> None:
    done = testbed(*arguments)
    assert done.returncode == 2 and "no testbed 'lab' runs here" in done.stderr


def test_a_place_that_cannot_serve_is_refused_first(testbed: Command, tmp_path: Path) -> None:
    done = testbed("demo", TESTBED_RESULTS="/proc/x")
    assert done.returncode == 2 and "the results folder cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_up_asks_for_no_results_folder(testbed: Command) -> None:
    done = testbed("up", TESTBED_STATE="/run/x", TESTBED_RESULTS="/proc/x")
    assert done.returncode == 2 and "TESTBED_STATE" in done.stderr


def test_ls_prints_one_json_list(testbed: Command) -> None:
    assert json.loads(testbed("ls", "--json").stdout) == []
    for name in ("one", "two"):
        topology = lab_topology().model_copy(update={"name": name})
        TestbedRecord.new(topology, "digest").write()
    with exclusive("two"):
        done = testbed("ls", "--json")
        table = testbed("ls").stdout
    assert done.returncode == 0
    states = {row["name"]: row["state"] for row in json.loads(done.stdout)}
    assert states == {"one": "gone", "two": "in use"}
    assert "testbed gc sweeps it" in table and "in use" in table


def test_without_libvirt_the_package_is_named(testbed: Command, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "libvirt.py").write_text("raise ImportError('libvirt.so.0: no such file')")
    done = testbed("inspect", PYTHONPATH=str(modules))
    assert done.returncode == 2 and "install --no-install-recommends libvirt0" in done.stderr
    looked = testbed("doctor", PYTHONPATH=str(modules))
    assert looked.returncode in (0, 1) and "Is this machine good enough?" in looked.stdout
    assert testbed("--help", PYTHONPATH=str(modules)).returncode == 0


def test_help_needs_nothing_heavy(testbed: Command) -> None:
    done = testbed("--help", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"libvirt", "paramiko", "pydantic", "ansible_runner", "psutil"}
    assert "typer" in imported


def test_what_lies_in_the_current_folder_is_not_imported(testbed: Command, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(99)")
    assert testbed("ls", "--json").returncode == 0


def test_validate_says_what_it_read(testbed: Command, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("name: t\nhosts: {h1: {}}\n")
    said = testbed("validate", "t.yaml").stdout
    assert said == "t: 1 host, 1 network, 0 guests, 0 grants\n"


STAR = REPOSITORY / "examples" / "topologies" / "star.yaml"


def test_validate_shows_guests_and_grants(testbed: Command) -> None:
    lines = [line.split() for line in testbed("validate", str(STAR)).stdout.splitlines()]
    assert ["loner", "h3", "micro", "pc", "1", "128", "MiB", "none", "none"] in lines
    assert ["far-hub", "16", "MiB", "guests", "apart,", "on", "TCP"] in lines


def test_a_grant_of_a_guest_without_a_card_goes_through_the_hosts(
    testbed: Command, tmp_path: Path
) -> None:
    text = STAR.read_text() + "  - {between: [hub, loner]}\n"
    (tmp_path / "t.yaml").write_text(text)
    lines = [line.split() for line in testbed("validate", "t.yaml").stdout.splitlines()]
    assert ["hub-loner", "32", "MiB", "none", "apart,", "by", "relay"] in lines


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        ("kernel: absent", "guests.g1.kernel"),
        ("kernel: t.yaml", "is no kernel that QEMU can boot"),
        ("image: ./absent.qcow2", "absent.qcow2 cannot be read"),
        ("image: ./part.qcow2", "only a part of a disk"),
        ("image: /dev/zero", "/dev/zero is no file"),
        ("disks: [{file: t.yaml}]", "is not of format qcow2"),
        ("disks: [{file: .}]", "guests.g1.disks.0.file"),
    ],
)
def test_files_that_cannot_serve_are_refused(
    testbed: Command, tmp_path: Path, guest: str, said: str
) -> None:
    header = struct.pack(">4sIQ", b"QFI\xfb", 3, 1)
    (tmp_path / "part.qcow2").write_bytes(header.ljust(104, b"\0"))
    (tmp_path / "t.yaml").write_text(
        f"name: t\nhosts: {{h1: {{}}}}\nguests: {{g1: {{host: h1, {guest}}}}}"
    )
    for command in ("validate", "up"):
        done = testbed(command, "t.yaml")
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_the_schema_is_json(testbed: Command) -> None:
    assert json.loads(testbed("schema").stdout)["properties"]["guests"]


@pytest.mark.parametrize("name", ["absent.yaml", ".", "/dev/zero", "binary.yaml"])
def test_what_is_no_topology_is_refused(testbed: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\xff")
    for command in ("validate", "up"):
        done = testbed(command, name)
        assert done.returncode == 2 and name in done.stderr and "Traceback" not in done.stderr
