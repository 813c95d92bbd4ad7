"""Testbeds that boot at the same time do not promise themselves the same memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.hosts.checks import Needs
from harness.model.topology import Topology, lab_topology
from harness.testbed import capacity, labs, reservation

NEEDS = capacity.needs(lab_topology())


class Machine:
    """Has `free` bytes of memory, and as much shared memory; what is asked of it is kept."""

    def __init__(self) -> None:
        self.free = 3 * (NEEDS.memory + NEEDS.shm)
        self.asked: list[Needs] = []

    def check(self, topology: Topology, beside: Needs) -> None:
        self.asked.append(beside)
        own = capacity.needs(topology)
        if own.memory + own.shm + beside.memory > self.free:
            raise UsageError("memory: too little")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))
    monkeypatch.setattr(labs, "check_machine", made.check)
    return made


def lab(name: str) -> Topology:
    return lab_topology().model_copy(update={"name": name})


def ledger(tmp_path: Path) -> list[str]:
    return [row["testbed"] for row in json.loads((tmp_path / reservation.LEDGER).read_text())]


def test_the_last_one_that_does_not_fit_is_refused(machine: Machine, tmp_path: Path) -> None:
    with reservation.reserved(lab("a")), reservation.reserved(lab("b")):
        with reservation.reserved(lab("c")):
            assert ledger(tmp_path) == ["a", "b", "c"]
            with pytest.raises(UsageError, match="too little"), reservation.reserved(lab("d")):
                pytest.fail("it was let in")
        assert ledger(tmp_path) == ["a", "b"]
    assert ledger(tmp_path) == []


def test_one_that_stands_shows_in_the_machine_itself(machine: Machine) -> None:
    with reservation.reserved(lab("a")):
        reservation.settle("a")
        with reservation.reserved(lab("b")):
            pass
    assert machine.asked[-1] == Needs(memory=0, shm=NEEDS.shm)


def test_what_a_dead_owner_reserved_is_free(machine: Machine, tmp_path: Path) -> None:
    with reservation.reserved(lab("a")):
        rows = json.loads((tmp_path / reservation.LEDGER).read_text())
    rows[0]["owner"]["start_time"] += 1  # a process that has our pid, and is not us
    (tmp_path / reservation.LEDGER).write_text(json.dumps(rows))
    with reservation.reserved(lab("b")):
        assert ledger(tmp_path) == ["b"]
    assert machine.asked[-1] == Needs(memory=0, shm=0)


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', '[{"testbed": "a"}]', "[3]"])
def test_a_ledger_that_makes_no_sense_holds_nothing(
    machine: Machine, tmp_path: Path, text: str
) -> None:
    (tmp_path / reservation.LEDGER).write_text(text)
    with reservation.reserved(lab("a")):
        assert ledger(tmp_path) == ["a"]


def test_a_state_folder_that_cannot_be_made_is_refused(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="state folder"), reservation.reserved(lab("a")):
        pytest.fail("it was let in")
