"""Campaigns as the command line meets them, and what a run of one is concluded to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import stress
from harness.cli.campaigns import built_in, read_campaign
from harness.cli.stress import Asked, Run
from harness.config import REPOSITORY
from harness.errors import TestbedError, UsageError
from harness.model.campaign_plan import plan

EXAMPLES = sorted((REPOSITORY / "examples" / "campaigns").glob("*.yaml"))
ASKED = Asked("smoke", None, (), None, None)


@pytest.mark.parametrize("wanted", [*built_in(), *map(str, EXAMPLES)])
def test_every_campaign_that_is_shipped_is_valid(wanted: str) -> None:
    found = read_campaign(wanted)
    assert found.name == Path(wanted).stem


def test_smoke_is_at_least_thirty_migrations_in_every_way() -> None:
    campaign = read_campaign("smoke")
    cases = plan(campaign, campaign.seed)
    assert sum(case.migrations for case in cases) >= 30
    assert {case.mode.name for case in cases} == set(campaign.modes)
    assert {case.scenario for case in cases} == set(campaign.scenarios)


@pytest.mark.parametrize(
    ("wanted", "says"), [("smoek", "did you mean 'smoke'"), ("xyz", "valid names are smoke, soak")]
)
def test_an_unknown_campaign_is_told_with_the_nearest(wanted: str, says: str) -> None:
    with pytest.raises(UsageError, match="no campaign") as caught:
        read_campaign(wanted)
    assert says in str(caught.value)


def test_a_folder_is_no_campaign(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_campaign(str(tmp_path))


def test_options_replace_what_the_campaign_says() -> None:
    asked = Asked("soak", 9, (), 5, None).resolved()
    assert (asked.seed, asked.migrations, asked.duration) == (9, 5, None)
    assert Asked("smoke", None, (), None, 60.0).resolved().duration == 60.0


def run_in(tmp_path: Path) -> Run:
    folder = tmp_path / "results" / "r-stress-1"
    folder.mkdir(parents=True)
    return Run("stress-1", folder, ASKED, read_campaign("smoke"))


def test_the_command_repeats_the_run(tmp_path: Path) -> None:
    assert run_in(tmp_path).command == "testbed stress smoke --seed 1"


def test_a_run_that_left_nothing_is_concluded_all_the_same(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    found = stress.conclude(run, 69, TestbedError("the lab stays"), ["process 7 qemu"])
    assert found.findings == ("the lab stays", "left behind: process 7 qemu")
    assert found.verdict == "fail" and run.result == found


@pytest.mark.parametrize("code", [1, 2, 69, 130])
def test_an_exit_code_never_passes(tmp_path: Path, code: int) -> None:
    run = run_in(tmp_path)
    stress.conclude(run, 0, None, [])
    assert run.result is not None
    found = stress.conclude(run, code, None, [])
    assert found.verdict == "fail" and len(found.findings) == 1
