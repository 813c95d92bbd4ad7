"""Records, capacity and the sweep: what is remembered, refused and removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.topology import GrantSpec, GuestSpec, HostSpec, Topology, lab_topology
from harness.testbed import capacity, folders, record, sweep
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))
    return tmp_path


@contextmanager
def free(_: str) -> Iterator[None]:
    yield


@contextmanager
def held(_: str) -> Iterator[None]:
    raise UsageError("another command is working on it")
    yield


def test_a_record_survives_the_disk() -> None:
    made = TestbedRecord.new(lab_topology(), "digest")
    made.write()
    assert record.read("lab") == made
    assert made.testbed_id.startswith("lab-")


def test_a_broken_record_is_none() -> None:
    TestbedRecord.new(lab_topology(), "digest").write()
    (folders.folder_of("lab") / record.FILE).write_text("{")
    assert record.read("lab") is None


def test_a_topology_tells_what_it_needs() -> None:
    needs = capacity.needs(lab_topology())
    assert needs.shm == 32 << 20
    assert needs.memory > 2 * (128 << 20)


def test_too_little_room_for_regions_is_refused() -> None:
    topology = Topology(
        name="t",
        hosts={"h1": HostSpec(shm=16 << 20)},
        guests={"g1": GuestSpec(host="h1"), "g2": GuestSpec(host="h1")},
        grants=(GrantSpec(between=("g1", "g2")),),
    )
    with pytest.raises(UsageError, match="32 MiB of /dev/shm, h1 has 16 MiB"):
        capacity.check(topology)


def stopped(names: list[str]) -> object:
    def stop(name: str) -> None:
        names.append(name)
        folders.forget(name)

    return stop


def test_a_start_that_never_finished_is_swept() -> None:
    TestbedRecord.new(lab_topology(), "digest").write()
    names: list[str] = []
    report = sweep.sweep(free, stopped(names))  # type: ignore[arg-type]
    assert names == ["lab"] and len(report.swept) == 1
    assert not folders.folder_of("lab").exists()


def test_what_somebody_works_on_is_left_alone() -> None:
    TestbedRecord.new(lab_topology(), "digest").write()
    names: list[str] = []
    report = sweep.sweep(held, stopped(names))  # type: ignore[arg-type]
    assert names == [] and "in use" in report.left[0]


def test_a_folder_without_our_record_is_listed_and_left(state: Path) -> None:
    (state / "testbeds" / "stranger" / "lab").mkdir(parents=True)
    (state / "testbeds" / "No Name").mkdir()
    names: list[str] = []
    report = sweep.sweep(free, stopped(names))  # type: ignore[arg-type]
    assert names == [] and not report.swept
    assert "no testbed's name" in report.left[0] and "no record of ours" in report.left[1]


def test_a_testbed_of_another_user_is_left_alone() -> None:
    made = TestbedRecord.new(lab_topology(), "digest")
    made.model_copy(update={"owner": made.owner + 1}).write()
    names: list[str] = []
    report = sweep.sweep(free, stopped(names))  # type: ignore[arg-type]
    assert names == [] and "belongs to user" in report.left[0]


def test_the_sweep_decides_under_the_lock() -> None:
    """Somebody takes the testbed down while we wait for the lock: nothing of ours is there."""
    TestbedRecord.new(lab_topology(), "digest").write()

    @contextmanager
    def gone_meanwhile(name: str) -> Iterator[None]:
        folders.forget(name)
        yield

    names: list[str] = []
    sweep.sweep(gone_meanwhile, stopped(names))  # type: ignore[arg-type]
    assert names == []


def test_a_record_in_anothers_folder_is_none(state: Path) -> None:
    TestbedRecord.new(lab_topology(), "digest").write()
    (state / "testbeds" / "lab").rename(state / "testbeds" / "other")
    assert record.read("other") is None


def test_the_lock_is_held_once_and_leaves_no_file(state: Path) -> None:
    with exclusive("lab"):
        with pytest.raises(UsageError, match="another command is working on lab"), exclusive("lab"):
            pytest.fail("two hold it")
        assert (state / "locks" / "lab.lock").exists()
    assert list((state / "locks").iterdir()) == []


def test_a_patient_command_waits_and_says_so() -> None:
    said: list[str] = []
    held = exclusive("lab")
    held.__enter__()

    def waiting() -> None:
        said.append("waiting")
        held.__exit__(None, None, None)

    with exclusive("lab", patience=20.0, waiting=waiting):
        assert said == ["waiting"]


def test_regions_of_others_are_listed(tmp_path: Path) -> None:
    (tmp_path / "domsock.x.g1.g2.1").touch()
    (tmp_path / "pulse-shm-1").touch()
    assert sweep.foreign_regions(tmp_path) == [str(tmp_path / "domsock.x.g1.g2.1")]


@pytest.mark.parametrize("name", ["", "..", "/etc", "a/b", "A", "x" * 16])
def test_what_is_no_name_leads_to_no_folder(name: str) -> None:
    with pytest.raises(UsageError, match="no testbed's name"):
        folders.folder_of(name)


@pytest.mark.parametrize("name", ["", "../lab", "/etc"])
def test_what_is_no_name_is_never_locked(name: str) -> None:
    with pytest.raises(UsageError, match="no testbed's name"), exclusive(name):
        pytest.fail("it was locked")


def test_another_users_testbed_is_left() -> None:
    made = TestbedRecord.new(lab_topology(), "digest")
    made.model_copy(update={"owner": made.owner + 1}).write()
    report = sweep.sweep(free, stopped([]))  # type: ignore[arg-type]
    assert "belongs to user" in report.left[0] and record.read("lab")
