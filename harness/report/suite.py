"""A stress run as JUnit sees it: a suite per leg, a test case per case, and the verdict."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from harness.model.campaign_result import CampaignResult, Case, Leg
from harness.report.words import finite, shown

TEXT_MOST = 20_000


def junit(result: CampaignResult) -> ET.Element:
    """The whole run. A rightly refused case passes; a broken testbed is an error, no failure."""
    suites = ET.Element("testsuites", name=shown(result.campaign, 200))
    suites.append(_verdict(result))
    for leg in result.legs:
        suites.append(_leg(result, leg))
    return suites


def write_junit(result: CampaignResult, folder: Path) -> Path:
    """Write junit.xml into the run's folder, and give its place. Raises OSError."""
    target = folder / "junit.xml"
    fresh = target.with_name("junit.xml.new")
    ET.ElementTree(junit(result)).write(fresh, encoding="utf-8", xml_declaration=True)
    return fresh.replace(target)


def _verdict(result: CampaignResult) -> ET.Element:
    suite = _suite("verdict", 1, result.seconds)
    properties = ET.SubElement(suite, "properties")
    facts = {"seed": str(result.seed), "commit": result.commit, "accelerator": result.accelerator}
    for name, value in {**facts, **result.versions, **result.environment}.items():
        ET.SubElement(properties, "property", name=shown(name, 100), value=shown(value))
    case = ET.SubElement(
        suite, "testcase", classname=shown(result.campaign, 200), name="verdict", time="0"
    )
    if result.verdict == "fail":
        suite.set("failures", "1")
        why = [*result.findings, result.attribution]
        _told(case, "failure", "\n".join(filter(None, why)) or "the run failed")
    return suite


def _leg(result: CampaignResult, leg: Leg) -> ET.Element:
    suite = _suite(leg.name, len(leg.cases), leg.seconds)
    suite.set("failures", str(sum(case.verdict == "fail" for case in leg.cases)))
    suite.set("errors", str(sum(case.verdict == "broken" for case in leg.cases)))
    for case in leg.cases:
        suite.append(_case(f"{shown(result.campaign, 200)}.{leg.name}", case))
    return suite


def _case(prefix: str, case: Case) -> ET.Element:
    made = ET.Element(
        "testcase",
        classname=f"{prefix}.{shown(case.scenario, 100)}",
        name=f"{case.index} {shown(case.name, 300)}",
        time=_seconds((case.end_ms - case.begin_ms) / 1000),
    )
    text = "\n".join(filter(None, [*case.findings, case.said, f"again: {case.repeat}"]))
    match case.verdict:
        case "fail":
            _told(made, "failure", text)
        case "broken":
            _told(made, "error", text)
        case "refused":
            ET.SubElement(made, "system-out").text = shown(f"refused, as it must be\n{text}")
    return made


def _told(case: ET.Element, kind: str, text: str) -> None:
    first = text.partition("\n")[0]
    ET.SubElement(case, kind, message=shown(first, 500)).text = shown(text, TEXT_MOST)


def _suite(name: str, tests: int, seconds: float) -> ET.Element:
    counts = {"tests": str(tests), "failures": "0", "errors": "0"}
    return ET.Element("testsuite", {"name": name, **counts, "time": _seconds(seconds)})


def _seconds(value: float) -> str:
    return f"{value:.3f}" if finite(value) else "0"
