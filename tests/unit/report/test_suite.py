"""junit.xml: a case per case, with its failure and the command that repeats it."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree as ET

from harness import report
from harness.report.campaign import CampaignResult
from tests.report_samples import Sample, campaign

FAILED = campaign(Sample(cases=8, fail=True))


def suites(result: CampaignResult, folder: Path) -> dict[str, ET.Element]:
    """The suites by name, as a reader of the file has them."""
    root = ET.parse(report.write_junit(result, folder)).getroot()
    return {suite.attrib["name"]: suite for suite in root}


def test_every_case_is_a_test_case(tmp_path: Path) -> None:
    found = suites(campaign(Sample(cases=8)), tmp_path)
    assert list(found) == ["verdict", "grants", "control"]
    assert [suite.get("tests") for suite in found.values()] == ["1", "8", "2"]
    assert [len(suite.findall("testcase")) for suite in found.values()] == [1, 8, 2]
    assert not [e for s in found.values() for e in s.iter() if e.tag in ("failure", "error")]
    last = found["grants"].findall("testcase")[-1]
    assert last.get("classname") == "smoke.grants.abort"
    assert (last.findtext("system-out") or "").startswith("refused, as it must be")


def test_failures_and_breaks_are_told_apart_and_can_be_repeated(tmp_path: Path) -> None:
    grants = suites(FAILED, tmp_path)["grants"]
    assert (grants.get("failures"), grants.get("errors")) == ("1", "1")
    failure, error = grants.find(".//failure"), grants.find(".//error")
    assert failure is not None and error is not None
    assert failure.get("message") == "stream s1 g1→g2: bytes 81,920 to 86,015 never arrived"
    assert (failure.text or "").endswith("again: testbed stress smoke --seed 7 --case 2")
    assert "libvirtd on h2" in (error.get("message") or "")


def test_the_verdict_says_whose_and_on_what(tmp_path: Path) -> None:
    verdict = suites(FAILED, tmp_path)["verdict"]
    assert verdict.get("failures") == "1"
    assert "the control passed the same cases" in (verdict.findtext(".//failure") or "")
    named = {one.get("name"): one.get("value") for one in verdict.iter("property")}
    assert named["seed"] == "7" and named["accelerator"] == "tcg" and named["qemu"] == "7.2.22"


def test_odd_characters_and_times_stay_readable_xml(tmp_path: Path) -> None:
    leg = FAILED.legs[0]
    text = "\x00\x1b<b>&\ud800\ufffe]]>" + "x" * 100_000
    update = {"name": text, "scenario": text, "end_ms": math.nan, "repeat": text}
    cases = tuple(case.model_copy(update=update) for case in leg.cases)
    legs = (leg.model_copy(update={"cases": cases, "seconds": math.inf}),)
    grants = suites(FAILED.model_copy(update={"legs": legs, "findings": (text,)}), tmp_path)[
        "grants"
    ]
    assert grants.get("time") == "0" and grants[0].get("time") == "0"
    assert (grants[0].get("name") or "").startswith("0 \\x00\\x1b<b>&\\ud800\\ufffe]]>x")
    assert (tmp_path / "junit.xml").stat().st_size < 200_000
