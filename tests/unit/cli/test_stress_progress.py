"""A stress run's progress: a line per case, and nothing of what goes on inside one."""

from __future__ import annotations

import io

from rich.console import Console

from harness.cli.stress_progress import StressProgress
from harness.events import EventLog
from harness.model.campaign_result import Case, Verdict


def case(verdict: Verdict = "pass", *findings: str) -> Case:
    return Case(
        index=4,
        name="g1→h2, tls: shm to tcp",
        scenario="ping-pong",
        modes=("tls",),
        begin_ms=0.0,
        end_ms=1500.0,
        verdict=verdict,
        findings=findings,
        repeat="testbed stress smoke --case 4",
    )


def shown(*cases: Case) -> str:
    out, events = io.StringIO(), EventLog()
    StressProgress(Console(file=out, width=100)).watch(events)
    with events.span("boot", guest="g1", host="h1"):
        pass
    with events.span("leg", leg="grants"):
        for made in cases:
            events.emit("case.begin", leg="grants", index=4, what=made.name)
            with events.span("move", guest="g1", source="h1", destination="h2"):
                pass
            said = made.model_dump(mode="json", by_alias=True)
            events.emit("case", leg="grants", migrations=3, case=said)
    return out.getvalue()


def test_a_case_is_one_line() -> None:
    boot, line = shown(case()).splitlines()
    assert "boot g1 on h1" in boot
    assert line.startswith("✓ grants 4: g1→h2, tls: shm to tcp") and "1.50 s" in line


def test_a_failed_case_says_why() -> None:
    text = shown(case("fail", "[bold]g1 no longer runs"))
    assert "✗ grants 4" in text and "[bold]g1 no longer runs" in text


def test_a_refusal_reads_so() -> None:
    assert "tcp, refused" in shown(case("refused"))
