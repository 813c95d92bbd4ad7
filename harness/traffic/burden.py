"""A campaign's programs at work in two guests: started once, looked at while they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from harness import clock
from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests.guest import Guest
from harness.model.campaign import Memory
from harness.model.result import Stream
from harness.traffic import oracle
from harness.traffic.harvest import Harvest, Patterns, harvest_argv, parse_harvest
from harness.traffic.lines import PATTERNS_SOCKET, Line, patterns_argv
from harness.traffic.oracle import Report, Sample

START_SECONDS = 30.0
STOP_SECONDS = 60.0
LOOK_SECONDS = 30.0


@dataclass
class End:
    """One program's report so far, as far as it was read."""

    line: Line
    guest: Guest
    pid: int = 0
    offset: int = 0
    samples: list[Sample] = field(default_factory=list)
    final: dict[str, object] = field(default_factory=dict)

    @property
    def report(self) -> Report:
        """What was read of it in the last look."""
        return Report(tuple(self.samples), self.final)


class Burden:
    """Streams between two guests, and patterns in both of them."""

    def __init__(
        self, guests: Sequence[Guest], lines: Sequence[Line], memory: Memory, events: EventLog
    ) -> None:
        self.guests = {guest.name: guest for guest in guests}
        self.lines, self.memory, self.events = list(lines), memory, events
        self.ends = [End(line, self.guests[name]) for line in lines for name in line.ends]
        self._servers: list[tuple[Guest, int]] = []
        self._patterns: list[tuple[Guest, int]] = []

    @property
    def patterned(self) -> bool:
        """Whether the guests hold patterns."""
        return bool(self._patterns)

    def start(self) -> None:
        """Start every program, and return when every line moves bytes."""
        with self.events.span("traffic.start", streams=[line.name for line in self.lines]):
            for guest in self.guests.values():
                guest.exec(["mkdir", "-p", oracle.FOLDER])
                self._hold_patterns(guest)
            for line in self.lines:
                self._serve(line)
            for line in self.lines:
                self._connect(line)
            clock.wait_until(self._all_move, within=START_SECONDS, what="bytes on every stream")

    def _hold_patterns(self, guest: Guest) -> None:
        argv = patterns_argv(self.memory, guest.domain_id)
        if argv is not None:
            self._patterns.append((guest, guest.start(argv)))
            self._await_file(guest, PATTERNS_SOCKET)

    def _await_file(self, guest: Guest, path: str) -> None:
        clock.wait_until(
            lambda: guest.exec(["test", "-S", path], check=False).returncode == 0,
            within=START_SECONDS,
            what=f"{path} to appear in {guest.name}",
        )

    def _serve(self, line: Line) -> None:
        guest = self.guests[line.server]
        pid = guest.start(line.server_argv)
        if line.server in line.ends:
            self._end(line, line.server).pid = pid
        else:
            self._servers.append((guest, pid))

    def _connect(self, line: Line) -> None:
        guest = self.guests[line.client]
        if line.exported:
            self._await_file(guest, line.exported)
        self._end(line, line.client).pid = guest.start(line.client_argv)

    def _end(self, line: Line, guest: str) -> End:
        return next(e for e in self.ends if e.line is line and e.guest.name == guest)

    def _all_move(self) -> bool:
        self.look()
        return all(end.samples and _moved(end.samples[-1]) for end in self.ends)

    def look(self) -> dict[str, Harvest]:
        """What both guests have to say since the last look; patterns are checked in full.

        Each end then holds the samples of this look, and the last one of the look before.
        """
        with ThreadPoolExecutor(len(self.guests)) as pool:
            found = pool.map(self._look_into, self.guests.values())
            return dict(zip(self.guests, found, strict=True))

    def _look_into(self, guest: Guest) -> Harvest:
        ends = [end for end in self.ends if end.guest is guest and end.pid]
        paths = {oracle.report_path(end.line.name): end for end in ends}
        offsets = {path: end.offset for path, end in paths.items()}
        argv = harvest_argv(offsets, self.patterned)
        done = guest.exec(argv, within=LOOK_SECONDS, check=False)
        harvest = parse_harvest(done.stdout)
        for path, end in paths.items():
            if path in harvest.reports:
                end.offset = harvest.ends[path]
                end.samples = [*end.samples[-1:], *harvest.reports[path].samples]
                end.final = harvest.reports[path].final or end.final
        return harvest

    def stop(self) -> None:
        """Ask every program to finish, and wait until each has read the other's end of stream."""
        with self.events.span("traffic.stop"):
            self._tell_to_end([(end.guest, end.pid) for end in self.ends if end.pid])
            try:
                clock.wait_until(
                    self._all_ended, within=STOP_SECONDS, what="every stream to end", every=0.1
                )
            except TestbedError as error:
                self.events.emit("stream.unfinished", error=str(error))
            self._tell_to_end([*self._servers, *self._patterns])

    def _all_ended(self) -> bool:
        self.look()
        return all(end.final for end in self.ends)

    def _tell_to_end(self, programs: Sequence[tuple[Guest, int]]) -> None:
        for guest in self.guests.values():
            pids = [str(pid) for owner, pid in programs if owner is guest]
            if pids:
                guest.exec(["kill", "-TERM", *pids], check=False)

    def judge(self) -> list[Stream]:
        """What became of every byte of every line but the probe's."""
        return [
            judge_direction(line, *direction, self._finals_of(line))
            for line in self.lines
            for direction in line.directions
            if line.kind != "probe"
        ]

    def _finals_of(self, line: Line) -> dict[str, dict[str, object]]:
        """What the ends of a line said at their end: guest → final."""
        return {guest: self._end(line, guest).final for guest in line.ends}


def _moved(sample: Sample) -> bool:
    return sample.verified > 0 or sample.sent > 0


def pattern_findings(guest: str, found: Patterns | None) -> list[str]:
    """What is wrong with a guest's patterns."""
    if found is None:
        return [f"{guest}: its patterns could not be checked"]
    wrong = [
        ("RAM", found.ram_bad, found.ram_bad_page),
        ("disk", found.disk_bad, found.disk_bad_page),
    ]
    return [
        f"{guest}: {bad} pages of its {what} pattern are wrong, the first is page {page}"
        for what, bad, page in wrong
        if bad
    ]


def judge_direction(
    line: Line, source: str, sink: str, finals: Mapping[str, dict[str, object]]
) -> Stream:
    """One direction, by the ends that report; a line of requests is judged by its client."""
    sent = finals[source]
    got = finals.get(sink, sent)

    def number(report: dict[str, object], key: str) -> int:
        return int(str(report.get(key, 0)))

    counts = {key: number(got, key) for key in ("lost", "duplicated", "reordered", "corrupted")}
    bytes_sent, verified = number(sent, "bytes_sent"), number(got, "bytes_verified")
    counts["lost"] = max(counts["lost"], bytes_sent - verified - counts["corrupted"], 0)
    whole = bool(sent and got and got.get("eof")) and bytes_sent == verified
    stalls = (got.get("longest_receive_stall_ms"), sent.get("longest_send_stall_ms"))
    return Stream.model_validate(
        {
            "name": line.name,
            "from": source,
            "to": sink,
            "bytes_sent": bytes_sent,
            "bytes_verified": verified,
            **counts,
            "longest_stall_ms": max(float(str(stall or 0.0)) for stall in stalls),
            "clean": whole and verified > 0 and not any(counts.values()),
        }
    )
