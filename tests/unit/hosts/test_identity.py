"""A recycled pid is never taken for the process that had it before."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness import run
from harness.clock import wait_until
from harness.hosts.lab.identity import ProcessIdentity
from harness.hosts.lab.record import FILE, LabRecord
from harness.hosts.lab.spec import LabSpec


def own() -> ProcessIdentity:
    found = ProcessIdentity.of(os.getpid())
    assert found
    return found


def test_this_process_lives() -> None:
    assert own().alive


@pytest.mark.parametrize("other", [{"start_time": 1}, {"boot_id": "another boot"}])
def test_another_process_of_the_same_pid_is_not_it(other: dict[str, int]) -> None:
    assert not replace(own(), **other).alive


def test_a_zombie_does_not_live() -> None:
    child = run.spawn(["sleep", "100"])
    try:
        identity = ProcessIdentity.of(child.pid)
        assert identity and identity.alive
        child.kill()
        wait_until(lambda: not identity.alive, within=5, what="the kill")
        assert ProcessIdentity.of(child.pid) is None
    finally:
        run.terminate(child)


def test_no_process_no_identity() -> None:
    assert ProcessIdentity.of(2**22 + 1) is None


def record() -> LabRecord:
    return LabRecord(LabSpec("lab", ("h1", "h2"), 1 << 20), own(), own(), "pid:[1]", True)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    record().write(tmp_path)
    assert LabRecord.read(tmp_path) == record()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 99}', '{"version": 1, "spec": {"name": 5}}']
)
def test_a_damaged_record_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert LabRecord.read(tmp_path) is None


def test_a_record_with_a_hostile_name_is_no_record(tmp_path: Path) -> None:
    record().write(tmp_path)
    path = tmp_path / FILE
    path.write_text(path.read_text().replace('"h1"', '"h1; reboot"'))
    assert LabRecord.read(tmp_path) is None


def test_inside_is_told_by_the_namespace() -> None:
    here = str(Path("/proc/self/ns/pid").readlink())
    assert replace(record(), pid_namespace=here).inside
    assert not record().inside
