"""Statistics and shortening: nothing that matters is lost, and no figure is invented."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.figures import Distribution, percentile
from harness.report.scales import LogScale, even_marks
from harness.report.series import Point, band, buckets, line

VALUES = st.lists(st.integers(0, 10**9), min_size=1, max_size=500)
TIMES = st.floats(min_value=0.001, max_value=1e9)


@given(VALUES, st.integers(1, 120))
def test_buckets_keep_every_extreme(values: list[int], most: int) -> None:
    made = buckets(values, most)
    assert len(made) <= most
    assert max(b.high for b in made) == max(values)
    assert min(b.low for b in made) == min(values)


@given(VALUES, st.integers(1, 120))
def test_buckets_are_the_series_in_order(values: list[int], most: int) -> None:
    made = buckets(values, most)
    assert [b.first for b in made] == [sum(b.size for b in made[:n]) for n in range(len(made))]
    assert sum(b.size for b in made) == len(values)
    for b in made:
        part = values[b.first : b.first + b.size]
        assert (b.low, b.high) == (min(part), max(part))
        assert b.mean == pytest.approx(sum(part) / len(part))


def test_a_single_stall_in_a_long_run_stays_visible() -> None:
    values = [1000] * 100_000
    values[54_321] = 0
    assert sum(b.low == 0 for b in buckets(values, 300)) == 1


def test_of_nothing_there_are_no_buckets() -> None:
    assert buckets([], 10) == [] and line([]) == "" and band([], []) == ""


def test_paths_are_short_and_closed() -> None:
    assert line([Point(0, 1), Point(2.04, 3.25)]) == "M0,1L2,3.2"
    assert band([Point(0, 9)], [Point(0, 1)]) == "M0,9L0,1Z"


@given(VALUES, st.integers(1, 100))
def test_a_percentile_was_measured_and_has_its_share_below(values: list[int], percent: int) -> None:
    found = percentile(sorted(values), percent)
    assert found in values
    assert sum(v <= found for v in values) * 100 >= percent * len(values)
    assert sum(v < found for v in values) * 100 < percent * len(values)


def test_p99_of_a_hundred_is_not_the_greatest() -> None:
    spread = Distribution.of(range(1, 101))
    assert (spread.p50, spread.p99, spread.most) == (50, 99, 100)


def test_what_was_not_measured_is_counted_apart() -> None:
    spread = Distribution.of([3.0, None, math.nan, math.inf, 1.0])
    assert spread.values == (1.0, 3.0) and spread.missing == 3
    assert Distribution.of([]).p99 is None


@given(st.lists(TIMES, min_size=1, max_size=50))
def test_a_scale_holds_its_values_in_their_order(values: list[float]) -> None:
    scale = LogScale.over(values)
    places = [scale.percent(value) for value in sorted(values)]
    assert places == sorted(places) and places[0] >= 0 and places[-1] <= 100
    ticks = [tick.percent for tick in scale.ticks()]
    assert ticks == sorted(ticks) and ticks[0] == 0 and ticks[-1] == 100


def test_few_decades_have_more_ticks() -> None:
    labels = [tick.label for tick in LogScale.over([90, 700]).ticks()]
    assert labels == ["10", "20", "50", "100", "200", "500", "1 s"]


@given(st.floats(min_value=1, max_value=1e9))
def test_marks_are_few_and_inside(length: float) -> None:
    marks = even_marks(length)
    assert marks[0] == 0 and marks[-1] <= length and len(marks) <= 10
