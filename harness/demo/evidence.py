"""What a run leaves behind in results/<run-id>/, gathered even after a failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests import definition
from harness.guests.guest import Guest
from harness.hosts.base import Host
from harness.model.result import Summary
from harness.testbed.testbed import Testbed

AGENT_LOG = "/var/log/domsockd.log"
HOST_LOGS = "/var/log/libvirt"


def collect(testbed: Testbed, folder: Path, events: EventLog) -> None:
    """Consoles, agent logs, libvirt's and QEMU's logs. What cannot be had is said, not fatal."""
    with events.span("evidence"):
        for guest in testbed.guests.values():
            _try(partial(_agent_log, guest, folder), f"{guest.name}'s agent log", events)
        for place in testbed.places.values():
            _try(partial(_host_logs, place.host, folder), f"{place.name}'s logs", events)
        for name in testbed.guests:
            _join_consoles(name, folder)


def _try(step: Callable[[], None], what: str, events: EventLog) -> None:
    try:
        step()
    except (TestbedError, OSError) as error:
        events.emit("evidence.missing", what=what, error=str(error))


def _agent_log(guest: Guest, folder: Path) -> None:
    target = folder / "agents" / f"{guest.name}.log"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(guest.read(AGENT_LOG))


def _host_logs(host: Host, folder: Path) -> None:
    found = host.run(["find", HOST_LOGS, "-type", "f", "-size", "+0"]).stdout.split()
    for remote in found:
        local = folder / "hosts" / host.name / Path(remote).relative_to(HOST_LOGS)
        local.parent.mkdir(parents=True, exist_ok=True)
        host.get(remote, local)


def _join_consoles(guest: str, folder: Path) -> None:
    """One console file per guest: each host it lived on kept a part, in the order of writing."""
    name = Path(definition.console_log(guest)).name
    parts = sorted(folder.glob(f"hosts/*/**/{name}"))
    texts = [
        f"--- on {part.relative_to(folder).parts[1]}\n{part.read_text(errors='replace')}"
        for part in parts
    ]
    (folder / f"console-{guest}.log").write_text("\n".join(texts))


def consoles(testbed: Testbed, folder: Path) -> dict[str, str]:
    """The text of each guest's console."""
    files = {name: folder / f"console-{name}.log" for name in testbed.guests}
    return {name: file.read_text() for name, file in files.items() if file.exists()}


def write_summary(summary: Summary, folder: Path) -> None:
    """summary.json and junit.xml."""
    text = summary.model_dump_json(indent=2, by_alias=True)
    (folder / "summary.json").write_text(text + "\n")
    ET.ElementTree(junit(summary)).write(
        folder / "junit.xml", encoding="unicode", xml_declaration=True
    )


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
