"""A stress run as JUnit test suites: a case per migration, and one per stream and direction."""

from __future__ import annotations

from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from harness.campaign.verdict import BAD
from harness.model.campaign_result import CampaignResult, Leg


def junit(result: CampaignResult) -> Element:
    """One suite per leg, and one for the verdict on the whole."""
    root = ET.Element("testsuites", name=result.command, time=f"{result.seconds:.1f}")
    for leg in result.legs:
        root.append(_suite(leg))
    verdict = ET.SubElement(root, "testsuite", name="verdict", tests="1")
    case = ET.SubElement(verdict, "testcase", classname="domsock", name="verdict")
    for finding in result.findings:
        ET.SubElement(case, "failure", message=finding)
    verdict.set("failures", str(int(bool(result.findings))))
    return root


def _suite(leg: Leg) -> Element:
    suite = ET.Element("testsuite", name=leg.name, time=f"{leg.seconds:.1f}")
    for case in leg.cases:
        seconds = f"{(case.end_ms - case.begin_ms) / 1000:.3f}"
        name = f"{case.index}: {case.name}"
        made = ET.SubElement(suite, "testcase", classname=leg.name, name=name, time=seconds)
        if case.verdict in BAD:
            kind = "error" if case.verdict == "broken" else "failure"
            message = "; ".join(case.findings)
            ET.SubElement(made, kind, message=message).text = f"repeat: {case.repeat}"
    for stream in leg.streams:
        name = f"stream {stream.name} {stream.from_} to {stream.to}"
        made = ET.SubElement(suite, "testcase", classname=leg.name, name=name)
        if not stream.clean:
            ET.SubElement(made, "failure", message="not every byte arrived once and in order")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    return suite
