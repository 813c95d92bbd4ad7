"""Who waits for whom: looking takes the testbed's lock, running a program does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli import inside, reach
from harness.errors import UsageError
from harness.model.topology import lab_topology
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord


class Running:
    """A testbed that notes what was asked of its agents."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def connect(self, *_: Any) -> Running:
        return self

    def recover_grants(self) -> None:
        self.steps.append("recover")

    def close(self) -> None:
        self.steps.append("close")


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A testbed that is up, seen from inside its lab."""
    made = Running()
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))
    monkeypatch.setenv(inside.INSIDE, "1")
    monkeypatch.setattr(reach, "Testbed", made)
    monkeypatch.setattr(reach, "hosts_of", lambda _name: [])
    record = TestbedRecord.new(lab_topology(), "digest")
    record.model_copy(update={"state": "up"}).write()
    return made


def test_looking_does_not_break_in(running: Running) -> None:
    with (
        exclusive("lab"),
        pytest.raises(UsageError, match="another command is working on lab"),
        reach.held("lab", patience=0.0),
    ):
        pytest.fail("it broke in")
    assert running.steps == []


def test_looking_keeps_others_out(running: Running) -> None:
    with reach.held("lab", patience=0.0), pytest.raises(UsageError), exclusive("lab"):
        pytest.fail("somebody else got in")
    assert running.steps == ["recover", "close"]


def test_a_program_runs_while_the_guest_moves(running: Running) -> None:
    with exclusive("lab"), reach.reached("lab"):
        assert running.steps == []
    assert running.steps == ["close"]


def test_a_testbed_that_is_not_up_yet_is_refused(running: Running) -> None:
    TestbedRecord.new(lab_topology(), "digest").write()
    with pytest.raises(UsageError, match="not up yet"), reach.reached("lab"):
        pytest.fail("it was reached")
