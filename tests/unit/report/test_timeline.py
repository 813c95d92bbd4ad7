"""Phases and paths over time."""

from __future__ import annotations

import math
from importlib.resources import files
from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from harness.model.campaign_result import Case, Span
from harness.model.result import PATHS, Path
from harness.report import timeline
from harness.report.timeline import Stretch
from tests.report_samples import Sample, campaign

FIRST = campaign(Sample(cases=1)).legs[0].cases[0]


def case(begin: float, end: float, *spans: tuple[str, float, float], **more: str) -> Case:
    made = tuple(Span(name=n, begin_ms=b, end_ms=e) for n, b, e in spans)
    return FIRST.model_copy(update={"begin_ms": begin, "end_ms": end, "spans": made, **more})


AWAY = case(
    100, 200, ("handover out", 100, 120), ("migrate", 120, 190), path_before="shm", path_after="tcp"
)
BACK = case(
    300, 400, ("plug", 350, 380), ("handover back", 380, 390), path_before="tcp", path_after="shm"
)


def test_the_path_changes_where_a_handover_ends() -> None:
    assert timeline.stretches([BACK, AWAY], 500) == [
        Stretch("shm", 0, 120),
        Stretch("tcp", 120, 390),
        Stretch("shm", 390, 500),
    ]


def test_a_handover_away_leads_where_it_says() -> None:
    spans = (AWAY.spans[0].model_copy(update={"path": "relay"}), *AWAY.spans[1:])
    away = AWAY.model_copy(update={"spans": spans, "path_after": "relay"})
    assert timeline.stretches([away], 300) == [Stretch("shm", 0, 120), Stretch("relay", 120, 300)]


def test_no_two_paths_are_drawn_alike() -> None:
    assert set(timeline.STRIPS) == set(get_args(Path))
    assert len(set(timeline.STRIPS.values())) == len(timeline.STRIPS)
    style = (files("harness.report") / "assets" / "charts.css").read_text()
    for path in PATHS:
        assert f".path-{path} {{ fill: var(--{path}); --key: var(--{path}); }}" in style


def test_without_handovers_the_path_changes_with_the_case() -> None:
    plain = case(100, 200, path_before="shm", path_after="tcp")
    assert timeline.stretches([plain], 300) == [Stretch("shm", 0, 200), Stretch("tcp", 200, 300)]


def test_no_path_is_drawn_as_none() -> None:
    nowhere = case(100, 200, path_before="none", path_after="none")
    assert timeline.stretches([nowhere], 300) == [] == timeline.stretches([], 300)


def test_times_that_are_none_are_left_out() -> None:
    bad = case(0, math.nan, ("migrate", math.nan, 1), ("migrate", 5, 3), ("plug", 1, 2))
    assert [span.name for span in timeline.drawable(bad.spans)] == ["plug"]
    assert timeline.stretches([bad], 300) == []


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=8))
def test_stretches_never_overlap(times: list[tuple[float, float]]) -> None:
    cases = [
        case(min(pair), max(pair), path_before="shm" if n % 2 else "tcp", path_after="tcp")
        for n, pair in enumerate(times)
    ]
    made = timeline.stretches(cases, 1e6)
    assert all(one.begin_ms < one.end_ms for one in made)
    assert all(a.end_ms <= b.begin_ms for a, b in pairwise(made))
