"""Whose a failure is, case by case, as the control shows."""

from __future__ import annotations

from typing import Any

import pytest

from harness.campaign.attribution import attribution
from harness.model.campaign_result import Case, Leg, Verdict
from harness.model.result import Stream


def case(index: int, verdict: Verdict) -> Case:
    return Case(
        index=index,
        name="g1→h2, precopy: shm to tcp",
        scenario="ping-pong",
        modes=("precopy",),
        begin_ms=0.0,
        end_ms=1.0,
        verdict=verdict,
        repeat="",
    )


def stream(lost: int) -> Stream:
    return Stream.model_validate(
        {
            **{"name": "bulk", "from": "g1", "to": "g2", "bytes_sent": 9, "bytes_verified": 9},
            **{"lost": lost, "duplicated": 0, "reordered": 0, "corrupted": 0},
            **{"longest_stall_ms": 1.0, "clean": not lost},
        }
    )


def leg(name: Any, *failed: int, cases: int = 4, lost: int = 0) -> Leg:
    """A leg of some cases, numbered from 0 on, of which those failed."""
    made = tuple(case(n, "fail" if n in failed else "pass") for n in range(cases))
    return Leg(name=name, seconds=1.0, cases=made, streams=(stream(lost),))


@pytest.mark.parametrize(
    ("legs", "says"),
    [
        ([], [""]),
        ([leg("grants")], [""]),
        (
            [leg("grants"), leg("control")],
            ["nobody's: no case failed, of 4 with"],
        ),
        ([leg("grants", 1)], ["nobody knows: nothing was run without grants"]),
        ([leg("grants", 1), leg("control")], ["ours: case 1 failed with grants and not without"]),
        ([leg("grants", 1, 3), leg("control")], ["ours: cases 1, 3 failed"]),
        ([leg("grants", 1), leg("control", 1)], ["not ours alone: case 1 failed without"]),
        ([leg("grants"), leg("control", 2)], ["not ours: case 2 failed without grants only"]),
        ([leg("grants", 3), leg("control", cases=3)], ["nobody knows: case 3 did not run"]),
        (
            [leg("grants", 0, 1), leg("control", 1, 2)],
            ["ours: case 0 ", "not ours alone: case 1 ", "not ours: case 2 "],
        ),
        ([leg("grants", lost=5)], ["nobody knows"]),
        ([leg("grants", lost=5), leg("control")], ["ours: streams were damaged", "bulk g1→g2"]),
        ([leg("grants", lost=5), leg("control", lost=1)], ["not ours alone: streams"]),
        ([leg("grants"), leg("control", lost=1)], ["not ours: streams"]),
    ],
)
def test_a_failure_is_attributed_by_the_control(legs: list[Leg], says: list[str]) -> None:
    told = attribution(legs)
    assert told.startswith(says[0]) and all(part in told for part in says)
    assert bool(told) == bool(says[0])


def test_many_cases_are_counted() -> None:
    legs = [leg("grants", *range(40), cases=40), leg("control", cases=40)]
    assert "11 and 28 more failed" in attribution(legs)


def test_no_control_is_promised_where_there_cannot_be_one() -> None:
    assert "--control always" in attribution([leg("grants", 1)])
    said = attribution([leg("grants", 1)], network=False)
    assert said.startswith("nobody knows: without a network") and "--control" not in said
    assert attribution([leg("grants")], network=False) == ""
