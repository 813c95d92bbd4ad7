"""The summary for a terminal: 80 columns, and nobody's text is markup."""

from __future__ import annotations

import io

from rich.console import Console

from harness import report
from harness.model.campaign_result import CampaignResult
from tests.report_samples import Sample, campaign


def printed(result: CampaignResult, width: int = 80) -> str:
    """What stands on a terminal of that width."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(report.terminal(result), crop=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_good_run_shows_its_distributions_beside_the_baseline() -> None:
    text = printed(campaign(Sample()))
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    order = ["Downtime (ms)", "QEMU's own figure", "plain TCP", "Stalls", "The slowest cases"]
    places = [text.index(one) for one in order]
    assert places == sorted(places)
    assert text.rstrip().endswith("verdict: pass · smoke · seed 7 · tcg")


def test_a_bad_run_names_its_cases_and_how_to_repeat_them() -> None:
    text = printed(campaign(Sample(fail=True)))
    assert "Cases that failed" in text and "The slowest cases" not in text
    assert "again: testbed stress smoke --seed 7 --case 2\n" in text
    assert "✗ stream s1 g1→g2: 4,096 bytes lost" in text and "whose: the control" in text


def test_a_command_is_never_broken_into_lines() -> None:
    found = campaign(Sample(cases=6, fail=True))
    long = "testbed stress " + "/a/very/long/path" * 20 + ".yaml --seed 7 --case 2"
    cases = [case.model_copy(update={"repeat": long}) for case in found.legs[0].cases]
    leg = found.legs[0].model_copy(update={"cases": tuple(cases)})
    assert f"again: {long}\n" in printed(found.model_copy(update={"legs": (leg,)}))


def test_many_findings_are_counted_and_texts_cannot_steer() -> None:
    findings = ("[red]\x1b[2J",) * 50
    text = printed(campaign(Sample(cases=2)).model_copy(update={"findings": findings}))
    assert text.count("✗ [red]\\x1b[2J") == 20 and "✗ and 30 more" in text


def test_nothing_ran() -> None:
    assert "none ran" in printed(campaign(Sample(cases=1)).model_copy(update={"legs": ()}))
