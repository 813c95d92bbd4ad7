"""What a stress run found, for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.printable import printable
from harness.cli.show import add, amount, streams, table
from harness.model.campaign_result import CampaignResult, Case, Leg, Resource

SLOWEST = 5
MOST_FINDINGS = 20


def result(console: Console, found: CampaignResult, folder: str) -> None:
    """The whole verdict."""
    for leg in found.legs:
        console.print()
        for made in (_slowest(leg), streams(leg.streams), _resources(leg)):
            if made.row_count:
                console.print(made)
    console.print()
    for finding in found.findings[:MOST_FINDINGS]:
        console.print(Text(f"✗ {printable(finding)}", style="red"), soft_wrap=True)
    if len(found.findings) > MOST_FINDINGS:
        console.print(f"… and {len(found.findings) - MOST_FINDINGS} more in summary.json")
    if found.attribution:
        console.print(Text(f"whose: {printable(found.attribution)}"), soft_wrap=True)
    _verdict(console, found)
    console.print(Text(f"evidence: {printable(folder)}"), soft_wrap=True)


def _verdict(console: Console, found: CampaignResult) -> None:
    good = found.verdict == "pass"
    facts = [f"{leg.name}: {_counts(leg)}" for leg in found.legs]
    facts += [found.accelerator, f"{found.seconds:.0f} s"]
    console.print(
        Text(f"verdict: {found.verdict}", style="bold green" if good else "bold red"),
        Text(printable("· " + " · ".join(facts))),
        soft_wrap=True,
    )


def _counts(leg: Leg) -> str:
    moved = sum(len(case.migrations) for case in leg.cases)
    lost = sum(stream.lost for stream in leg.streams)
    return f"{len(leg.cases)} cases, {moved} migrations, {lost} bytes lost"


def _slowest(leg: Leg) -> Table:
    """The cases that took longest."""
    made = table(
        f"Slowest cases, {leg.name}",
        *("case", ">s", ">down", ">stall", ">plain TCP", "verdict"),
        caption="down: the guest's downtime; stall, plain TCP: the longest one of our streams, "
        "and of one beside them, in a guest that did not move; all in ms",
    )
    for case in sorted(leg.cases, key=_seconds, reverse=True)[:SLOWEST]:
        times = (case.downtime_libvirt_ms, case.longest_stall_ms, case.probe_stall_ms)
        add(
            made,
            f"{case.index}: {case.name}",
            f"{_seconds(case):.1f}",
            *("" if ms is None else f"{ms:.0f}" for ms in times),
            case.verdict,
        )
    return made


def _seconds(case: Case) -> float:
    return (case.end_ms - case.begin_ms) / 1000


def _resources(leg: Leg) -> Table:
    """What was watched for a trend."""
    made = table(f"Resources, {leg.name}", "what", ">first", ">last", ">most", "trend")
    for row in leg.resources:
        ends = (row.values[0], row.values[-1], max(row.values)) if row.values else ()
        add(made, row.name, *_values(row, ends), "flat" if row.flat and not row.why else row.why)
    return made


def _values(row: Resource, values: Iterable[float]) -> list[str]:
    return [amount(value) if row.unit == "bytes" else f"{value:.0f}" for value in values]
