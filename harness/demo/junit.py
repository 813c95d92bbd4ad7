"""The main job as a JUnit test suite."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from harness.model.result import Summary


def junit(summary: Summary) -> ET.Element:
    """The run as a JUnit test suite: one case per stream direction, and one for the verdict."""
    suite = ET.Element("testsuite", name=summary.command, time=f"{summary.seconds:.1f}")
    for stream in summary.streams:
        name = f"stream {stream.name} {stream.from_} to {stream.to}"
        case = ET.SubElement(suite, "testcase", classname="domsock", name=name)
        if not stream.clean:
            ET.SubElement(case, "failure", message="not every byte arrived once and in order")
    verdict = ET.SubElement(suite, "testcase", classname="domsock", name="verdict")
    for finding in summary.findings:
        ET.SubElement(verdict, "failure", message=finding)
    cases = len(summary.streams) + 1
    failures = sum(not stream.clean for stream in summary.streams) + bool(summary.findings)
    suite.set("tests", str(cases))
    suite.set("failures", str(failures))
    return suite


def write_junit(summary: Summary, folder: Path) -> None:
    """junit.xml."""
    ET.ElementTree(junit(summary)).write(
        folder / "junit.xml", encoding="unicode", xml_declaration=True
    )
