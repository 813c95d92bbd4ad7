"""A stress run on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.model.campaign_result import CampaignResult
from harness.report import cases, distributions, story
from harness.report.words import number, shown

SLOWEST = 5
FINDINGS_MOST = 20


def terminal(result: CampaignResult) -> RenderableType:
    """The distributions, the cases to look at, the findings and the verdict.

    To be printed with ``crop=False``: a command to be copied is whole on any terminal.
    """
    parts: list[RenderableType] = []
    rows = cases.rows(result.legs)
    for table in (*_spreads(result), _notable(rows)):
        if table.row_count:
            parts += [table, Text()]
    parts += [Text(f"· {sentence}") for sentence in story.sentences(result)]
    parts += [Text(f"✗ {shown(text)}", "red") for text in result.findings[:FINDINGS_MOST]]
    if len(result.findings) > FINDINGS_MOST:
        parts.append(Text(f"✗ and {len(result.findings) - FINDINGS_MOST:,} more", "red"))
    if result.attribution:
        parts.append(Text(f"whose: {shown(result.attribution)}"))
    parts += [_command(row.case.repeat) for row in _bad(rows)]
    return Group(*parts, _verdict(result))


def _command(line: str) -> Text:
    """To be copied: never broken into two."""
    return Text(f"again: {shown(line, 1000)}", no_wrap=True, overflow="ignore")


def _table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return made


def _spreads(result: CampaignResult) -> Iterator[Table]:
    groups = [distributions.Group(leg.name, leg.cases) for leg in result.legs]
    for panel in distributions.panels(groups):
        made = _table(f"{panel.title} (ms)", "measured as", "leg", ">n", ">p50", ">p99", ">max")
        for strip in panel.strips:
            spread = strip.spread
            figures = (spread.p50, spread.p99, spread.most)
            numbers = (str(len(spread.values)), *map(number, figures))
            cells = (strip.measure, strip.group, *numbers)
            made.add_row(*map(Text, cells), style="dim" if strip.baseline else None)
        yield made


def _bad(rows: Sequence[cases.Row]) -> list[cases.Row]:
    return [row for row in rows if row.case.verdict in ("fail", "broken")][: 2 * SLOWEST]


def _notable(rows: Sequence[cases.Row]) -> Table:
    """The cases that failed, else the slowest ones."""
    bad = _bad(rows)
    title = "Cases that failed" if bad else "The slowest cases"
    made = _table(title, "", "case", "leg", ">total ms", ">longest stall ms")
    for row in bad or rows[:SLOWEST]:
        times = (number(row.took_ms), number(row.case.longest_stall_ms))
        case = f"{row.case.index} {shown(row.name, 60)}"
        made.add_row(*map(Text, (row.sign, case, row.leg, *times)))
    return made


def _verdict(result: CampaignResult) -> Text:
    style = "bold green" if result.verdict == "pass" else "bold red"
    facts = (shown(result.campaign, 100), f"seed {result.seed}", shown(result.accelerator, 20))
    return Text.assemble((f"verdict: {result.verdict}", style), " · " + " · ".join(facts))
