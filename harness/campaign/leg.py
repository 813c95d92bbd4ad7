"""One pass over a campaign's cases, with grants or without, on a testbed that stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from harness import clock
from harness.agent.answers import OpenStreams
from harness.campaign.judge import Outcome, judge
from harness.campaign.resources import Resources
from harness.campaign.series import SeriesBook
from harness.campaign.spans import spans
from harness.errors import DeadlineExceeded, TestbedError
from harness.guests.guest import Guest
from harness.model.campaign import Campaign
from harness.model.campaign_plan import GUESTS, CaseSpec, Positions
from harness.model.campaign_result import Case, Leg
from harness.model.result import Path
from harness.testbed.testbed import Testbed
from harness.traffic.burden import Burden
from harness.traffic.lines import lines
from harness.traffic.watch import clock_offset_ns

SETTLE_SECONDS = 15.0  # agents that went round a slow network come back to it after five
CLOCK_TRIES = 2
SHORT_INTERVAL_MS, LONG_INTERVAL_MS = 100, 250

Kind = Literal["grants", "control"]
Repeat = Callable[[CaseSpec], str]


class LegRun:
    """The pass while it runs. What it found stays, however it ends."""

    def __init__(
        self, testbed: Testbed, kind: Kind, campaign: Campaign, seed: int, repeat: Repeat
    ) -> None:
        self.testbed, self.kind, self.campaign, self._repeat = testbed, kind, campaign, repeat
        self.guests = {name: testbed.guest(name) for name in GUESTS}
        ids = {name: guest.domain_id for name, guest in self.guests.items()}
        long = campaign.duration is not None
        made = lines(
            campaign.workloads,
            ids,
            "domsock" if self.granted else "tcp",
            seed,
            LONG_INTERVAL_MS if long else SHORT_INTERVAL_MS,
            probe=campaign.network,
        )
        self.burden = Burden(list(self.guests.values()), made, campaign.memory, testbed.events)
        self._long_lived = {line.name for line in made if line.kind != "connections"}
        self.cases: list[Case] = []
        self._last_path: Path | None = None  # since when nobody has moved
        self.gone: list[str] = []  # guests that no longer run: there is nothing to go on with
        self._finished = False  # streams that were cut off have no end to be judged by
        self.begun, self.ended = clock.now(), 0.0
        self.series = SeriesBook(clock.now_ns())
        self.resources = Resources([p.host for p in testbed.places.values()], self.begun)
        self._offsets: dict[str, int] = {}

    @property
    def granted(self) -> bool:
        """Whether streams go through the agents."""
        return self.kind == "grants"

    @property
    def migrations(self) -> int:
        """How many guests arrived so far."""
        return sum(len(case.migrations) for case in self.cases)

    def run(self, specs: Iterable[CaseSpec]) -> None:
        """Every case, until one loses a guest, or breaks the testbed: raises TestbedError then."""
        self.burden.start()
        self._offsets = {name: clock_offset_ns(guest) for name, guest in self.guests.items()}
        for spec in specs:
            case = self._run_case(spec)
            self.cases.append(case)
            said = case.model_dump(mode="json", by_alias=True)
            self.testbed.events.emit("case", leg=self.kind, migrations=self.migrations, case=said)
            if case.verdict == "broken":
                raise TestbedError(case.findings[0], where=f"case {spec.index}")
            if self.gone:
                return

    def stop(self) -> None:
        """End the streams, and see what became of their last bytes."""
        if not self.gone:
            self.burden.stop()
            self._finished = True
        self.ended = clock.now()

    def _run_case(self, spec: CaseSpec) -> Case:
        self.testbed.events.emit("case.begin", leg=self.kind, index=spec.index, what=spec.name)
        did = Outcome(self._now_ms(), patterned=self.burden.patterned)
        try:
            self._bring_to(spec.start)
            did.begin_ms = self._now_ms()
            first = len(self.testbed.events.events)
            did.path_before = self._path_before(spec)
            self._move(spec, did)
            did.spans = spans(self.testbed.events.events[first:], self.begun)
            did.gone = self.gone
            if not self.gone:
                self._last_path = did.path_after = self._path(spec.expected(self.granted)[1])
                self._look(spec, did)
        except TestbedError as error:
            did.broken = error
        did.end_ms = self._now_ms()
        return judge(spec, did, self.granted, self.campaign.limits, self._repeat(spec))

    def _move(self, spec: CaseSpec, did: Outcome) -> None:
        """Move them. Whatever fails here is what is tested, be it QEMU, the agents or we."""
        try:
            did.migrations = self.testbed.migrate_together(spec.moves, mode=spec.mode)
        except TestbedError as error:
            did.error = error
            self.gone = [name for name in self.guests if not self._runs(name)]
        did.positions = self._positions()

    def _runs(self, name: str) -> bool:
        found = self.testbed.whereabouts(name)
        return found is not None and found[0].running()

    def _look(self, spec: CaseSpec, did: Outcome) -> None:
        """Let the streams run for a moment, then read what they and the patterns have to say."""
        clock.sleep(self.campaign.rest)
        did.looks, did.ends = self.burden.look(), self.burden.ends
        self.series.add(self.burden.ends, self._offsets)
        for name, _ in spec.moves:
            self._offsets[name] = clock_offset_ns(self.guests[name], CLOCK_TRIES)
        self.resources.sample(did.looks)

    def _positions(self) -> Positions:
        first, second = (self.guests[name].place.name for name in GUESTS)
        return first, second

    def _bring_to(self, start: Positions) -> None:
        """Put the guests where the case begins: only after a case that failed, or for one alone."""
        here = self._positions()
        routes = [(name, to) for name, at, to in zip(GUESTS, here, start, strict=True) if at != to]
        if routes:
            self._last_path = None
            self.testbed.migrate_together(routes)
            self.burden.look()

    def _path_before(self, spec: CaseSpec) -> Path:
        """What was seen after the case before, for nobody has moved since."""
        known, self._last_path = self._last_path, None
        return self._path(spec.expected(self.granted)[0]) if known is None else known

    def _path(self, expected: Path) -> Path:
        """The path that all long-lived streams take, as soon as it is the expected one."""
        if not self.granted:
            return "none"

        def as_expected() -> bool:
            return self._paths_now() == {expected}

        try:
            clock.wait_until(as_expected, within=SETTLE_SECONDS, what="the streams' path")
        except DeadlineExceeded:
            seen = self._paths_now() - {expected}
            return next(iter(sorted(seen)), "none")  # type: ignore[arg-type]
        return expected

    def _paths_now(self) -> set[str]:
        """The paths of both guests' streams; none when an agent does not say."""
        try:
            return {path for guest in self.guests.values() for path in self._paths_in(guest)}
        except TestbedError:
            return set()

    def _paths_in(self, guest: Guest) -> set[str]:
        streams = guest.agent.ask(OpenStreams, "streams").streams
        return {stream.path for stream in streams if stream.name in self._long_lived}

    def _now_ms(self) -> float:
        return (clock.now() - self.begun) * 1000

    def result(self) -> Leg:
        """What it found so far."""
        seconds = (self.ended or clock.now()) - self.begun
        return Leg(
            name=self.kind,
            seconds=round(seconds, 1),
            cases=tuple(self.cases),
            series=self.series.series(seconds * 1000),
            streams=tuple(self.burden.judge()) if self._finished else (),
            resources=self.resources.judged(),
        )
