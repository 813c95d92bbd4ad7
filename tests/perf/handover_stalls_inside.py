"""The measuring half of handover_stalls.py; runs inside its lab."""

from __future__ import annotations

import bisect
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, takewhile
from pathlib import Path

from rich.console import Console

from harness import clock
from harness.agent.answers import HandoverAnswer, OpenStreams
from harness.cli import show
from harness.events import Event, EventLog
from harness.grants.grant import Grant
from harness.guests.guest import Guest
from harness.model import naming
from harness.report.figures import Distribution
from harness.testbed.testbed import Testbed
from harness.traffic.watch import clock_offset_ns
from tests.perf.standing import connect

WINDOW_NS = 250_000_000
SETTLE_SECONDS = 0.1  # behind an unplug
PORTION = 100  # handovers between which the receiver's notes are fetched: they fill its memory
LEAST_MS = 2  # shorter silences are not noted: a stall is never less
SERVED, REPORT, FLOW = "/run/domsock/self/flow", "/run/silences", "/run/domsock/g2/flow"
ECHO_PORT, ECHO_SECONDS = 7900, 3
WITHOUT, WITH = KINDS = ("all on", "handover to")


@dataclass(frozen=True)
class Window:
    """A quarter of a second, beginning then by the receiving guest's clock."""

    kind: str
    begin_ns: int


@dataclass(frozen=True)
class Silence:
    """A time in which nothing of a stream arrived, by the receiving guest's clock."""

    begin_ns: int
    end_ns: int


def passes(seconds: float) -> None:
    """Return when that time is over: it is what is measured."""
    over = clock.Deadline(max(0.0, seconds))
    clock.wait_until(lambda: over.expired, within=60, what="the time to pass", every=0.002)


class Handovers:
    """One grant, handed over again and again; notes when."""

    def __init__(self, grant: Grant, receiver: Guest, events: EventLog) -> None:
        self.grant, self.receiver = grant, receiver
        self.windows: list[Window] = []
        self.took_ms: dict[str, list[float]] = defaultdict(list)
        self._begun = 0.0
        events.subscribe(self._note)

    def _note(self, event: Event) -> None:
        if event.name == "handover.begin":
            self._begun = event.at

    def there_and_back(self) -> None:
        """Onto shared memory and off it, a window without either behind each; the region is
        plugged and unplugged outside of them.
        """
        offset = clock_offset_ns(self.receiver, tries=3)
        boarded = self.grant.share()
        self._look(f"{WITH} shm", self._begun, offset)
        self._look(f"{WITHOUT} shm", clock.now(), offset)
        begun = clock.now()
        left = self._leave_memory()
        self._look(f"{WITH} tcp", begun, offset)
        self._look(f"{WITHOUT} tcp", clock.now(), offset)
        self.grant.part()
        passes(SETTLE_SECONDS)
        self.took_ms[f"{WITH} shm"].append(boarded.handover.duration_ms)
        self.took_ms[f"{WITH} tcp"].append(left.duration_us / 1000)

    def _leave_memory(self) -> HandoverAnswer:
        low, high = self.grant.low, self.grant.high
        return low.agent.ask(
            HandoverAnswer, "handover", peer=high.name, to="tcp", deadline_ms=10_000
        )

    def _look(self, kind: str, begin: float, offset_ns: int) -> None:
        """Wait until the window that began then is over."""
        self.windows.append(Window(kind, int(begin * 1e9) + offset_ns))
        passes(begin + WINDOW_NS / 1e9 - clock.now())


def idle_round_trip_ms(g1: Guest, g2: Guest) -> float:
    """TCP's between the two, median, while nothing else runs."""
    pid = g2.start(["volley", "serve", f"tcp:0.0.0.0:{ECHO_PORT}"])
    where = f"tcp:{naming.guest_address(g2.domain_id)}:{ECHO_PORT}"
    echo = ["volley", "echo", where, "64", str(ECHO_SECONDS)]
    said = clock.wait_until(
        lambda: g1.exec(echo, check=False).stdout, within=30, what="TCP between the guests"
    )
    g2.exec(["kill", str(pid)], check=False)
    return float(json.loads(said)["p50_us"]) / 1000


def open_streams(guest: Guest) -> int:
    """How many its agent has."""
    return len(guest.agent.ask(OpenStreams, "streams").streams)


def silences(guest: Guest, streams: int) -> list[list[Silence]]:
    """What the receiver noted, by stream, in the order of time."""
    found: list[list[Silence]] = [[] for _ in range(streams)]
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, "silences")
        guest.get(REPORT, local)
        for line in local.read_text().splitlines():
            stream, end, length = map(int, line.split())
            found[stream].append(Silence(end - length, end))
    return found


def stalls(window: Window, noted: Sequence[Sequence[Silence]]) -> Iterator[float]:
    """The longest part of a silence in the window, for each stream; milliseconds."""
    begin, end = window.begin_ns, window.begin_ns + WINDOW_NS
    for stream in noted:
        first = bisect.bisect_left(stream, begin, key=lambda silence: silence.end_ns)
        these = takewhile(lambda silence: silence.begin_ns < end, stream[first:])
        inside = (min(one.end_ns, end) - max(one.begin_ns, begin) for one in these)
        yield max(inside, default=LEAST_MS * 1_000_000) / 1e6


def report(
    streams: int,
    found: Mapping[str, list[float]],
    took_ms: Mapping[str, list[float]],
    idle_ms: float,
) -> None:
    """A line for each kind of window; a goal is that of the same path's windows without."""
    made = show.table(
        f"{streams} streams: a stream's stall in {WINDOW_NS // 1_000_000} ms",
        *("window", ">p50, ms", ">goal", ">p99, ms", ">goal", ">took", ">windows"),
        caption=f"took: a handover itself, median, ms; an idle round trip is {idle_ms:.2f} ms",
    )
    for path, kind in product(("tcp", "shm"), KINDS):
        here, without = (Distribution.of(found[f"{each} {path}"]) for each in (kind, WITHOUT))
        row = [f"{kind} {path}"]
        for percent, trips in ((50, 2), (99, 20)):
            stall, other = here.percentile(percent) or 0.0, without.percentile(percent) or 0.0
            row += [f"{stall:.1f}", "" if kind == WITHOUT else f"{other + trips * idle_ms:.1f}"]
        took = Distribution.of(took_ms.get(row[0], [])).percentile(50)
        row.append("" if took is None else f"{took:.1f}")
        show.add(made, *row, str(len(here.values) // streams))
    Console(width=80).print(made)


def hand_over(
    testbed: Testbed, streams: int, handovers: int
) -> tuple[Handovers, list[list[Silence]]]:
    """So often, while so many streams flow from g1 to g2; what the receiver noted, too."""
    g1, g2 = testbed.guest("g1"), testbed.guest("g2")
    [grant] = testbed.grants
    drain = g2.start(["load", "drain", SERVED, "--report", REPORT, "--least", str(LEAST_MS)])
    clock.wait_until(
        lambda: g1.exec(["test", "-S", FLOW], check=False).returncode == 0,
        within=30,
        what="the server to appear",
    )
    pour = g1.start(["load", "pour", FLOW, "--streams", str(streams)])
    clock.wait_until(lambda: open_streams(g2) == streams, within=60, what="every stream")
    turns = Handovers(grant, g2, testbed.events)
    for _ in range(handovers):
        turns.there_and_back()
    for guest, pid in ((g1, pour), (g2, drain)):
        guest.exec(["kill", str(pid)])
    clock.wait_until(lambda: open_streams(g2) == 0, within=60, what="the streams to end")
    return turns, silences(g2, streams)


def measure(testbed: Testbed, streams: int, handovers: int, idle_ms: float) -> None:
    """With so many streams, new ones for each portion."""
    found: dict[str, list[float]] = defaultdict(list)
    took_ms: dict[str, list[float]] = defaultdict(list)
    for done in range(0, handovers, PORTION):
        turns, noted = hand_over(testbed, streams, min(PORTION, handovers - done))
        for window in turns.windows:
            found[window.kind] += stalls(window, noted)
        for kind, times in turns.took_ms.items():
            took_ms[kind] += times
    report(streams, found, took_ms, idle_ms)


def main() -> None:
    """With the arguments of handover_stalls.py."""
    handovers = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    testbed = connect()
    [grant] = testbed.grants
    grant.part()
    idle_ms = idle_round_trip_ms(testbed.guest("g1"), testbed.guest("g2"))
    for streams in [int(word) for word in sys.argv[2:]] or [1, 16, 256]:
        measure(testbed, streams, handovers, idle_ms)


if __name__ == "__main__":
    main()
