"""Campaigns as the command line meets them, and what a run of one is concluded to be."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import commands, stress
from harness.cli.campaigns import built_in, read_campaign
from harness.cli.stress import Asked
from harness.cli.whole_job import Ending, Run, Wishes
from harness.config import REPOSITORY
from harness.errors import TestbedError, UsageError
from harness.model.campaign_plan import plan
from harness.model.campaign_result import CampaignResult
from harness.model.overrides import Overrides
from harness.model.topology import lab_topology

EXAMPLES = sorted((REPOSITORY / "examples" / "campaigns").glob("*.yaml"))


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
    asked = Asked("soak", seed=9, migrations=5, control="always", sut=("agent",)).resolved()
    assert (asked.seed, asked.migrations, asked.duration) == (9, 5, None)
    assert (asked.control, asked.sut) == ("always", ("agent",))
    assert Asked("smoke", duration=60.0, control="never").resolved().control == "never"
    assert Asked("smoke", duration=60.0).resolved().duration == 60.0


def test_modes_can_be_chosen() -> None:
    assert Asked("soak", modes=("precopy", "tls")).resolved().modes == ("precopy", "tls")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked("soak", modes=("precpy",)), "did you mean 'precopy'"),
        (Asked("soak", modes=("parallel-zstd",)), "none of these moves a guest"),
        (Asked("soak", seed=1 << 40), "(seed)"),
    ],
)
def test_what_no_campaign_may_have_is_refused(asked: Asked, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked.resolved()
    assert says in str(caught.value)


def test_two_ends_are_one_too_many() -> None:
    with pytest.raises(UsageError, match="both say when it is over"):
        Asked("smoke", migrations=5, duration=60.0).resolved()


EVERYTHING = Asked(
    "smoke",
    seed=3,
    only=(2, 5),
    modes=("precopy", "tls"),
    migrations=7,
    control="always",
    sut=("qemu",),
    wishes=Wishes(Overrides(kernel="/k", append="a b", qemu={"": "/q", "h2": "/r"})),
)


def test_the_command_does_the_same_again_and_a_case_needs_less() -> None:
    assert Asked("smoke", seed=1).command == "testbed stress smoke --seed 1"
    given = "--mode precopy --mode tls --sut qemu --kernel=/k '--append=a b' --qemu=/q --qemu=h2=/r"
    assert EVERYTHING.repeat == f"testbed stress smoke --seed 3 {given}"
    extent = "--case 2 --case 5 --migrations 7 --control always"
    assert EVERYTHING.command == f"{EVERYTHING.repeat} {extent}"


def test_the_command_can_be_typed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it prints is what was asked for, read by the command line's own parser."""
    seen: list[Asked] = []
    monkeypatch.setattr(stress, "stress", lambda asked: seen.append(asked) or 0)
    for asked in (EVERYTHING, Asked("smoke", seed=1, duration=90.0, control="never")):
        done = CliRunner().invoke(commands.app, shlex.split(asked.command)[1:])
        assert done.exit_code == 0, done.output
    assert seen == [EVERYTHING, Asked("smoke", seed=1, duration=90.0, control="never")]


def test_a_campaign_file_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = Asked("my own.yaml", seed=1)
    assert asked.command == f"testbed stress '{tmp_path}/my own.yaml' --seed 1"


def run_in(tmp_path: Path) -> Run:
    folder = tmp_path / "results" / "r-stress-1"
    folder.mkdir(parents=True)
    return Run(lab_topology().model_copy(update={"name": "stress-1"}), folder)


def conclude(run: Run, ending: Ending) -> CampaignResult:
    otherwise = stress.broken(run, read_campaign("smoke"), "testbed stress smoke --seed 1")
    return stress.conclude(run, ending, otherwise)


def test_a_run_that_left_nothing_is_concluded_all_the_same(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    found = conclude(run, Ending(69, TestbedError("the lab stays"), ("process 7 qemu",)))
    assert found.findings == ("the lab stays", "left behind: process 7 qemu")
    assert found.verdict == "fail" and run.saved(CampaignResult) == found
    assert found.left_behind == ("process 7 qemu",)
    assert conclude(run, Ending(left=None)).left_behind is None  # it stays: nobody looked


@pytest.mark.parametrize("code", [1, 2, 69, 130])
def test_an_exit_code_never_passes(tmp_path: Path, code: int) -> None:
    run = run_in(tmp_path)
    assert conclude(run, Ending()).verdict == "pass"
    found = conclude(run, Ending(code))
    assert found.verdict == "fail" and len(found.findings) == 1
