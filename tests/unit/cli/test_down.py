"""testbed down ends what is ours, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.topology import lab_topology
from harness.testbed.record import TestbedRecord
from tests.unit.cli.conftest import Command


@pytest.mark.parametrize("form", ["", ".", "..", "{victim}", "../../victim"])
def test_a_path_is_no_name(testbed: Command, tmp_path: Path, form: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "state" / "testbeds" / "other").mkdir(parents=True)
    done = testbed("down", form.format(victim=victim))
    assert done.returncode == 2 and "no testbed's name" in done.stderr
    assert victim.exists() and (tmp_path / "state" / "testbeds" / "other").exists()


def test_a_folder_without_a_record_stays(testbed: Command, tmp_path: Path) -> None:
    stranger = tmp_path / "state" / "testbeds" / "stranger"
    stranger.mkdir(parents=True)
    done = testbed("down", "stranger")
    assert done.returncode == 2 and "no record that can be read" in " ".join(done.stderr.split())
    assert stranger.exists()


def test_a_testbed_of_another_user_stays(testbed: Command) -> None:
    made = TestbedRecord.new(lab_topology(), "digest")
    made = made.model_copy(update={"owner": made.owner + 1})
    made.write()
    done = testbed("down")
    assert done.returncode == 2 and "belongs to user" in done.stderr
    assert made.folder.exists()


def test_a_dead_testbed_of_ours_goes(testbed: Command) -> None:
    made = TestbedRecord.new(lab_topology(), "digest")
    made.write()
    assert testbed("down").returncode == 0
    assert not made.folder.exists()
