"""What hosts have written about a testbed that failed, saved before it is taken off them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests import definition
from harness.hosts.base import Host

LIBVIRTD_LOG = "/var/log/libvirt/libvirtd.log"
AGENT_LOG = "/var/log/domsockd.log"


def save(hosts: Iterable[Host], guests: Sequence[str], folder: Path, events: EventLog) -> None:
    """These guests' consoles and QEMU logs, libvirtd's and the agent's: not those of others.

    What cannot be had is said, not fatal.
    """
    for host in hosts:
        try:
            for log in _there(host, guests):
                local = folder / "hosts" / host.name / Path(log).name
                local.parent.mkdir(parents=True, exist_ok=True)
                host.get(log, local)
        except (TestbedError, OSError) as error:
            events.emit("evidence.missing", what=f"{host.name}'s logs", error=str(error))


def _there(host: Host, guests: Sequence[str]) -> list[str]:
    wanted = [LIBVIRTD_LOG, AGENT_LOG]
    for guest in guests:
        wanted += [definition.console_log(guest), f"{definition.CONSOLE_LOGS}/{guest}.log"]
    return host.run(["find", *wanted, "-type", "f", "-size", "+0"], check=False).stdout.split()
