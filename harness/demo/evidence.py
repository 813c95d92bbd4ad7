"""What a run leaves behind in results/<run-id>/, gathered even after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

from libvirt import libvirtError

from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests import definition
from harness.guests.guest import Guest
from harness.hosts.base import Host
from harness.model.result import Summary

AGENT_LOG = "/var/log/domsockd.log"
HOST_LOGS = "/var/log/libvirt"


def collect(hosts: Sequence[Host], guests: Sequence[Guest], folder: Path, events: EventLog) -> None:
    """Consoles, agent logs, libvirt's and QEMU's logs. What cannot be had is said, not fatal."""
    with events.span("evidence"):
        for guest in guests:
            attempt(partial(_agent_log, guest, folder), f"{guest.name}'s agent log", events)
        for host in hosts:
            attempt(partial(_host_logs, host, folder), f"{host.name}'s logs", events)


def attempt(step: Callable[[], None], what: str, events: EventLog) -> None:
    """Do it, or say that `what` is missing from the evidence."""
    try:
        step()
    except (TestbedError, OSError, libvirtError) as error:
        events.emit("evidence.missing", what=what, error=str(error))


def _agent_log(guest: Guest, folder: Path) -> None:
    target = folder / "agents" / f"{guest.name}.log"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(guest.read(AGENT_LOG))


def _host_logs(host: Host, folder: Path) -> None:
    places = [HOST_LOGS, AGENT_LOG]
    found = host.run(["find", *places, "-type", "f", "-size", "+0"], check=False).stdout.split()
    for remote in found:
        local = folder / "hosts" / host.name / Path(remote).relative_to("/var/log")
        local.parent.mkdir(parents=True, exist_ok=True)
        host.get(remote, local)


def consoles(guests: Sequence[str], folder: Path) -> dict[str, str]:
    """Each guest's console, also written to one file: every host it lived on kept a part."""
    texts = {}
    for guest in guests:
        name = Path(definition.console_log(guest)).name
        parts = sorted(folder.glob(f"hosts/*/**/{name}"), key=lambda part: part.stat().st_mtime)
        texts[guest] = "\n".join(
            f"--- on {part.relative_to(folder).parts[1]}\n{part.read_text(errors='replace')}"
            for part in parts
        )
        (folder / f"console-{guest}.log").write_text(texts[guest])
    return texts


def write_summary(summary: Summary, folder: Path) -> None:
    """summary.json and junit.xml."""
    text = summary.model_dump_json(indent=2, by_alias=True)
    fresh = folder / "summary.json.new"
    fresh.write_text(text + "\n")
    fresh.replace(folder / "summary.json")
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
