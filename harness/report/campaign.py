"""The report of a stress run."""

from __future__ import annotations

from pathlib import Path

from harness.model.campaign_result import CampaignResult
from harness.report import cases, distributions, page, resources, story, throughput
from harness.report.distributions import Group
from harness.report.words import shown

NAME = "report.html"
FINDINGS_MOST = 200
STREAMS_MOST = 5000


def write(result: CampaignResult, folder: Path) -> Path:
    """Write report.html into the run's folder, and give its place. Raises OSError."""
    return write_to(result, folder, folder / NAME)


def write_to(result: CampaignResult, run: Path, target: Path) -> Path:
    """Write the page anywhere; its links lead to the evidence in `run`. Raises OSError."""
    return page.save("campaign.html.j2", content(result), run, target)


def content(result: CampaignResult) -> dict[str, object]:
    """What the templates are filled with."""
    rows = cases.rows(result.legs)
    return {
        "title": shown(result.campaign, 200),
        "command": shown(result.command, 1000),
        "result": result,
        "story": story.sentences(result),
        "findings": [shown(text) for text in result.findings[:FINDINGS_MOST]],
        "findings_left_out": max(0, len(result.findings) - FINDINGS_MOST),
        "attribution": shown(result.attribution),
        "ran_on": story.ran_on(result.accelerator, result.versions, result.environment),
        "charts": [chart for leg in result.legs if (chart := throughput.chart(leg))],
        "panels": distributions.panels([Group(leg.name, leg.cases) for leg in result.legs]),
        "cases": rows,
        "bad": [row for row in rows if row.case.verdict in ("fail", "broken")],
        "scenarios": sorted({row.scenario for row in rows}),
        "modes": sorted({shown(mode, 100) for row in rows for mode in row.case.modes}),
        "trends": [(leg.name, resources.trends(leg)) for leg in result.legs if leg.resources],
        "streams": [(leg.name, s) for leg in result.legs for s in leg.streams][:STREAMS_MOST],
        "figures": story.figures(result.figures),
        "environment": {
            shown(key, 100): shown(value)
            for key, value in [*result.versions.items(), *result.environment.items()]
        },
        "left_behind": result.left_behind,
    }
