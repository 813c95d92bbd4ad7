"""testbed logs: what guests, agents, libvirt and QEMU wrote, each line with its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness import clock
from harness.cli import reach
from harness.cli.printable import printable
from harness.errors import TestbedError, UsageError
from harness.evidence.evidence import AGENT_LOG, HOST_LOGS
from harness.guests.guest import Guest
from harness.hosts.base import Host
from harness.testbed.testbed import Testbed

FOLLOW_SECONDS = 0.5
LOG_ROOT = "/var/log/"


@dataclass
class Log:
    """A file that grows: `machine` is where it is, `taken` how many lines of it were shown."""

    machine: Host | Guest
    path: str
    taken: int = 0
    rest: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """Machine and file, short."""
        return f"{self.machine.name}:{self.path.removeprefix(LOG_ROOT)}"

    def news(self) -> list[str]:
        """The whole lines that were added since the last look."""
        said = _run(self.machine, ["tail", "-n", f"+{self.taken + 1}", self.path])
        *lines, self.rest = said.replace("\r", "").split("\n")
        self.taken += len(lines)
        return lines


def logs(testbed: str, of: str, follow: bool) -> None:
    """Print the logs of a guest, a host, or everything; with `follow` also what comes."""
    with reach.reached(testbed) as running:
        _check(running, of)
        shown: dict[str, Log] = {}
        while True:
            for log in find(running, of):
                _print(shown.setdefault(log.label, log))
            if not follow:
                break
            clock.sleep(FOLLOW_SECONDS)
        for log in shown.values():
            if log.rest:
                print(f"{log.label} | {printable(log.rest)}")


def find(running: Testbed, of: str) -> Iterator[Log]:
    """The logs there are now: a guest's on every host, and its agent's within."""
    for place in running.places.values():
        for path in _files(place.host):
            of_guest = path.rpartition("/")[2].startswith((f"{of}.", f"{of}-console."))
            if of in ("", place.name) or of_guest:
                yield Log(place.host, path)
    for guest in running.guests.values():
        if of in ("", guest.name):
            yield Log(guest, AGENT_LOG)


def _files(host: Host) -> Sequence[str]:
    found = host.run(["find", HOST_LOGS, AGENT_LOG, "-type", "f", "-size", "+0"], check=False)
    return sorted(found.stdout.splitlines())


def _check(running: Testbed, of: str) -> None:
    topology = running.record.topology
    known = [*topology.guests, *running.places]
    if of and of not in known:
        raise UsageError(
            f"there is no guest or host {of!r}", fix=f"choose one of {', '.join(known)}"
        )


def _print(log: Log) -> None:
    for line in log.news():
        print(f"{log.label} | {printable(line)}", flush=True)


def _run(machine: Host | Guest, argv: list[str]) -> str:
    """What it printed; nothing while the machine does not answer: the next look may have it."""
    start = machine.exec if isinstance(machine, Guest) else machine.run
    try:
        return start(argv, check=False).stdout
    except TestbedError:
        return ""
