"""testbed up: what its two halves tell each other, and what happens when one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from harness.cli import inside, lifecycle, outside
from harness.errors import TestbedError
from harness.model.topology import lab_topology
from harness.testbed.record import TestbedRecord
from tests.unit.cli.conftest import Command


class Lab:
    """A lab that notes what was done to it."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def keep(self, *_: object) -> None:
        self.steps.append("keep")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Starting makes this lab; nothing else is made."""
    made = Lab()
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path))
    monkeypatch.setattr(outside, "start", lambda _topology, _events: (None, made))
    monkeypatch.setattr(outside, "stop", lambda _name, _events: made.steps.append("stop"))
    return made


def ends_with(monkeypatch: pytest.MonkeyPatch, lab: Lab, code: int) -> None:
    def run_inside(_lab: Any, arguments: list[str]) -> int:
        lab.steps.append(" ".join(arguments))
        return code

    monkeypatch.setattr(inside, "run_inside", run_inside)


def test_the_inner_half_reads_the_record(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, lab, 0)
    lifecycle._start_and_keep(lab_topology())
    assert lab.steps == ["up --recorded lab", "keep"]


@pytest.mark.parametrize("code", [2, 69, 130])
def test_when_it_fails_nothing_stays(lab: Lab, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    ends_with(monkeypatch, lab, code)
    with pytest.raises(typer.Exit) as caught:
        lifecycle._start_and_keep(lab_topology())
    assert caught.value.exit_code == code and lab.steps[1:] == ["stop"]


def test_without_a_record_there_is_nothing_to_apply(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "stop_at_first_signal", lambda: None)
    with pytest.raises(TestbedError, match="record of lab is gone"):
        lifecycle.apply_recorded("lab")


def test_a_folder_of_somebody_elses_is_not_used(testbed: Command, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "testbeds" / "lab"
    folder.mkdir(parents=True)
    (folder / "diary").touch()
    done = testbed("up")
    assert done.returncode == 2 and "holds something else" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["diary"]


def test_a_testbed_of_another_user_is_not_overwritten(testbed: Command) -> None:
    made = TestbedRecord.new(lab_topology(), "digest")
    made.model_copy(update={"owner": made.owner + 1}).write()
    done = testbed("up")
    assert done.returncode == 2 and "belongs to user" in done.stderr
