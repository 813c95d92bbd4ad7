"""What hosts and guests leave in results/<run-id>/, gathered even after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from libvirt import libvirtError
from pydantic import BaseModel

from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests import definition
from harness.guests.guest import Guest
from harness.hosts.base import Host

AGENT_LOG = "/var/log/domsockd.log"
HOST_LOGS = "/var/log/libvirt"
CONSOLE_ALARMS = (
    "Kernel panic",
    "BUG:",
    "kernel BUG at",
    "Oops",
    "Out of memory",
    "blocked for more than",
    "general protection fault",
    "is not a head!",  # a virtqueue that no longer agrees with its device: memory was lost
)


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


def console_findings(consoles: dict[str, str]) -> list[str]:
    """What no console may say, and consoles of which nothing was kept."""
    silent = [
        f"nothing of {guest}'s console was kept" for guest, text in consoles.items() if not text
    ]
    return silent + [
        f"{guest}'s console says {alarm!r}"
        for guest, text in consoles.items()
        for alarm in CONSOLE_ALARMS
        if alarm in text
    ]


def write_result(result: BaseModel, folder: Path) -> None:
    """summary.json, whole or not at all."""
    fresh = folder / "summary.json.new"
    fresh.write_text(result.model_dump_json(indent=2, by_alias=True) + "\n")
    fresh.replace(folder / "summary.json")
