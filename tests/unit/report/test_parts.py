"""What the charts and tables are drawn from."""

from __future__ import annotations

import math

import pytest

from harness.model.campaign_result import Case, Leg, Resource, Series
from harness.report import cases, distributions, resources, throughput
from harness.report.distributions import DOTS, Group
from tests.report_samples import Sample, campaign

LEG = campaign(Sample(cases=6)).legs[0]
CASE = LEG.cases[0]


def series(
    *received: int, begin: float = 0.0, step: float = 100.0, workload: str = "bulk"
) -> Series:
    return Series(
        stream="s", from_="g1", to="g2", workload=workload,
        begin_ms=begin, step_ms=step, received=received,
    )  # fmt: skip


def leg(*flows: Series, seconds: float = 1.0, of: tuple[Case, ...] = ()) -> Leg:
    return Leg(name="grants", seconds=seconds, cases=of, series=flows)


def test_a_row_is_drawn_at_its_time_and_height() -> None:
    chart = throughput.chart(leg(series(100, 50, begin=200)))
    assert chart is not None and chart.rows[0].full_rate == 1000
    assert chart.rows[0].mean == "M2500,0L3500,50"


def test_rows_of_a_workload_share_a_scale() -> None:
    chart = throughput.chart(leg(series(100), series(50), series(7, workload="slow reader")))
    assert chart is not None
    assert [row.full_rate for row in chart.rows] == [1000, 1000, 70]
    assert [row.mean.rpartition(",")[2] for row in chart.rows] == ["0", "50", "0"]


def test_the_chart_reaches_as_far_as_anything_does() -> None:
    longer = throughput.chart(leg(series(1, 1), seconds=0.1, of=LEG.cases))
    assert longer is not None and longer.duration_ms == LEG.cases[-1].end_ms


@pytest.mark.parametrize(
    "odd", [series(), series(1, step=0), series(1, step=math.nan), series(1, begin=math.inf)]
)
def test_what_has_no_place_in_time_is_left_out(odd: Series) -> None:
    assert throughput.chart(leg(odd)) is None


def test_the_relay_is_drawn_as_two_lines() -> None:
    way = {"begin_ms": 0.0, "end_ms": 500.0, "spans": (), "path_before": "relay"}
    case = CASE.model_copy(update={**way, "path_after": "tcp"})
    chart = throughput.chart(leg(series(1, 1), of=(case,)))
    assert chart is not None and [shade.label for shade in chart.paths] == ["relay", "tcp"]
    assert chart.paths[0].path == "M0.0,0h5000.0v30h-5000.0zM0.0,70h5000.0v30h-5000.0z"
    assert chart.paths[1].path == "M5000.0,34h5000.0v32h-5000.0z"


def test_of_very_many_streams_the_busiest_are_shown() -> None:
    chart = throughput.chart(leg(*(series(n) for n in range(100))))
    assert chart is not None and len(chart.rows) == throughput.ROWS and chart.left_out == 76
    assert chart.rows[-1].full_rate == 990


def test_many_long_rows_stay_small() -> None:
    flow = series(*range(60_000))
    chart = throughput.chart(leg(*(flow,) * 24))
    assert chart is not None and sum(len(r.band + r.mean + r.overview) for r in chart.rows) < 3e6


def test_strips_stand_beside_their_baseline_and_mark_failures() -> None:
    bad = CASE.model_copy(update={"verdict": "fail", "downtime_qemu_ms": 900.0})
    panel = distributions.panels([Group("grants", (*LEG.cases, bad))])[0]
    assert [strip.baseline for strip in panel.strips] == [False, False, False, True]
    assert [dot.bad for dot in panel.strips[0].dots] == [True] + [False] * 6
    assert panel.strips[0].spread.most == 900


def test_any_number_of_groups_can_be_compared() -> None:
    groups = [Group(name, LEG.cases) for name in ("before", "after", "control")]
    assert [strip.group for strip in distributions.panels(groups)[1].strips] == [
        *("before", "after", "control"),
        *("before", "after", "control"),
    ]


def test_a_panel_without_figures_is_left_out() -> None:
    blank = CASE.model_copy(update={"longest_stall_ms": None})
    titles = [panel.title for panel in distributions.panels([Group("grants", (blank,))])]
    assert titles == ["Downtime"]


def test_of_very_many_cases_the_slowest_are_all_drawn() -> None:
    many = [CASE.model_copy(update={"longest_stall_ms": float(n)}) for n in range(1, 5001)]
    strip = distributions.panels([Group("grants", many)])[1].strips[0]
    assert len(strip.dots) <= DOTS and strip.spread.p50 == 2500
    assert len([dot for dot in strip.dots if dot.x >= strip.dots[99].x]) >= 100


def test_the_slowest_case_stands_first_and_one_without_times_last() -> None:
    timeless = CASE.model_copy(update={"end_ms": math.nan, "index": 99})
    rows = cases.rows([LEG.model_copy(update={"cases": (timeless, *LEG.cases)})])
    took = [row.took_ms for row in rows[:-1]]
    assert took == sorted(took, reverse=True) and rows[-1].case.index == 99


def test_a_case_has_the_flow_of_its_own_time() -> None:
    case = CASE.model_copy(update={"begin_ms": 200.0, "end_ms": 600.0})
    row = cases.rows([leg(series(9, 9, 1, 2, 0, 4, 9), series(0, 0, 1, 2, 0, 4), of=(case,))])[0]
    assert row.spark == "M12.5,75L37.5,50L62.5,100L87.5,0" and row.spark_rate == 80


def test_bars_stay_inside_their_case() -> None:
    short = CASE.model_copy(update={"end_ms": CASE.begin_ms + 100})
    bars = cases.rows([leg(of=(short,))])[0].bars
    assert bars and all(0 <= bar.x <= 100 and bar.width <= 100 for bar in bars)


def test_a_resource_is_drawn_from_zero_and_those_that_grow_come_first() -> None:
    def resource(name: str, flat: bool, *values: float) -> Resource:
        at = tuple(map(float, range(len(values))))
        return Resource(name=name, unit="bytes", at_ms=at, values=values, flat=flat)

    both = (resource("a", True, 1024, math.nan, 1024), resource("b", False, 0, 512, 1024))
    trends = resources.trends(LEG.model_copy(update={"resources": both}))
    assert [trend.name for trend in trends] == ["b", "a"]
    assert trends[0].line == "M0,100L50,50L100,0" and trends[1].line == "M0,0L100,0"
    assert (trends[0].first, trends[0].last, trends[1].least) == ("0 B", "1.0 KiB", "1.0 KiB")
