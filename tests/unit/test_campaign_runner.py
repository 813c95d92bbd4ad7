"""Which cases a run takes, and which of them the control repeats; with fakes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.runner import Runner, RunSpec, worth_keeping
from harness.events import EventLog
from harness.model.campaign import Campaign
from harness.model.campaign_plan import plan
from harness.testbed.makings import Makings

MODES = ("precopy", "abort", "with-region")


def runner(tmp_path: Path, only: tuple[int, ...] | None = None, **changes: Any) -> Runner:
    fields: dict[str, Any] = {"name": "c", "modes": MODES, "migrations": 6}
    spec = RunSpec(
        campaign=Campaign.model_validate({**fields, **changes}),
        seed=1,
        only=only,
        run_id="r",
        folder=tmp_path,
        command="testbed stress c --seed 1 --migrations 6",
        repeat="testbed stress c --seed 1",
        commit="c",
    )
    record: Any = SimpleNamespace(folder=tmp_path)
    image: Any = None
    return Runner(Makings(record, [], image, EventLog()), spec)


def run_all(made: Runner, *failed: int) -> list[int]:
    """Take every case as a leg would, with some that failed; gives what the control repeats."""
    indices = [spec.index for spec in made._noted(made._cases())]
    cases = [
        SimpleNamespace(index=index, verdict="fail" if index in failed else "pass")
        for index in indices
    ]
    made.legs = [SimpleNamespace(cases=cases)]  # type: ignore[list-item]
    return [spec.index for spec in made._for_control()]


def test_the_cases_are_the_plans(tmp_path: Path) -> None:
    made = runner(tmp_path)
    assert list(made._cases()) == plan(made.spec.campaign, 1)


def test_one_case_alone_is_the_one_of_that_number(tmp_path: Path) -> None:
    made = runner(tmp_path, only=(3,))
    assert list(made._cases()) == [plan(made.spec.campaign, 1)[3]]


def test_a_campaign_of_some_time_ends_when_it_is_over(tmp_path: Path) -> None:
    made = runner(tmp_path, migrations=None, duration=0.05)
    assert len(list(zip(range(10**7), made._cases(), strict=False))) < 10**7


def test_the_control_repeats_what_failed(tmp_path: Path) -> None:
    assert run_all(runner(tmp_path, modes=("precopy",)), 2, 4) == [2, 4]
    assert run_all(runner(tmp_path)) == []


def test_the_control_repeats_all_but_what_needs_a_region(tmp_path: Path) -> None:
    made = runner(tmp_path, control="always")
    repeated = run_all(made)
    cases = plan(made.spec.campaign, 1)
    assert repeated == [case.index for case in cases if case.mode.name != "with-region"]
    assert len(repeated) < len(cases)


def test_without_a_control_nothing_is_repeated(tmp_path: Path) -> None:
    assert run_all(runner(tmp_path, control="never"), 0, 1) == []


def test_certificates_are_made_for_tls_only(tmp_path: Path) -> None:
    assert runner(tmp_path)._certificates() == {}
    assert "certificates" in runner(tmp_path, modes=("tls",))._certificates()


def test_a_case_says_how_it_is_repeated(tmp_path: Path) -> None:
    made = runner(tmp_path)
    case = plan(made.spec.campaign, 1)[2]
    assert made._repeat("grants")(case) == "testbed stress c --seed 1 --case 2"
    assert made._repeat("control")(case).endswith(" --case 2 --control always")


@pytest.mark.parametrize(
    ("name", "fields", "kept"),
    [
        ("agent", {"said": {"event": "stream.opened"}}, False),
        ("agent", {"said": {"event": "link.up"}}, True),
        ("case", {}, True),
    ],
)
def test_events_of_single_streams_are_not_kept(
    name: str, fields: dict[str, Any], kept: bool
) -> None:
    events = EventLog(wanted=worth_keeping)
    events.emit(name, **fields)
    assert len(events.events) == kept
