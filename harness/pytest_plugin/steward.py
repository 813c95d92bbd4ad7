"""The helper's work, inside the lab: it owns the testbed, and does what the session asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import config
from harness.agent.answers import OpenStreams
from harness.errors import SubjectFailed, TestbedError, UsageError
from harness.events import EventLog
from harness.evidence import evidence
from harness.evidence.versions import versions
from harness.hosts.lab.lab import Lab
from harness.hosts.ssh import SshHost
from harness.images.micro import build_micro
from harness.model.migration_mode import limited_to
from harness.model.result import Migration, Stream
from harness.pytest_plugin.consoles import Consoles
from harness.pytest_plugin.contract import Standing
from harness.run import Completed
from harness.testbed import folders, record
from harness.testbed.apply import apply
from harness.testbed.testbed import Testbed
from harness.traffic.gauge import Felt, Gauge
from harness.traffic.traffic import Traffic, judge, plain_plan

EVENTS = "events.jsonl"


class LabSteward:
    """Acts on the testbed of the lab that this process is in (contract.Steward)."""

    def __init__(self) -> None:
        self._testbed: Testbed | None = None
        self._consoles: Consoles | None = None
        self._traffic: dict[str, Traffic] = {}
        self._gauges: list[tuple[Gauge, threading.Lock]] = []
        self._away: set[str] = set()
        self._turn = threading.RLock()  # of whoever speaks with agents

    def bring_up(self, name: str, folder: str) -> Standing:
        """Bring up what the record of that name describes."""
        found, lab = record.read(name), Lab.load(folders.lab_folder(name))
        if found is None or lab is None:
            raise TestbedError(f"the record of {name} is gone", fix="testbed gc")
        events = EventLog(_seen_from_inside(folder) / EVENTS)
        image = build_micro(config.cache_dir(), config.REPOSITORY, events)
        testbed = apply(found, [SshHost(host) for host in lab.hosts], image, events)
        self._testbed, self._consoles = testbed, Consoles(testbed)
        return Standing(
            name=name,
            accelerator=testbed.record.accelerator or "none",
            hosts=tuple(testbed.places),
            homes={guest.name: guest.place.name for guest in testbed.guests.values()},
            versions=versions(testbed) if testbed.guests else {},
        )

    @property
    def _up(self) -> Testbed:
        if self._testbed is None:
            raise TestbedError("the testbed is not up yet")
        return self._testbed

    def places(self) -> dict[str, str]:
        """The host of each guest that runs."""
        return {g.name: g.place.name for g in self._up.guests.values() if g.domain.running()}

    def run_in_guest(self, guest: str, argv: list[str], within: float) -> Completed:
        """Run a program in a guest to its end."""
        return self._up.guest(guest).exec(argv, within=within, check=False)

    def start_in_guest(self, guest: str, argv: list[str]) -> int:
        """Start a program in a guest."""
        return self._up.guest(guest).start(argv)

    def run_on_host(self, host: str, argv: list[str], within: float) -> Completed:
        """Run a program on a host to its end."""
        return self._up.place(host).host.run(argv, within=within, check=False)

    def migrate(self, guest: str, to: str, bandwidth_mib: int) -> Migration:
        """Move a guest with its streams open."""
        with self._turn, self._moving(guest):
            return self._up.migrate(guest, to, mode=limited_to(bandwidth_mib))

    @contextmanager
    def _moving(self, guest: str) -> Iterator[None]:
        """Gauges leave a guest alone while it moves: its answers would go astray."""
        self._away.add(guest)
        try:
            yield
        finally:
            self._away.discard(guest)

    def start_traffic(self, name: str, first: str, second: str, seed: int, streams: int) -> None:
        """Start verified streams between two guests."""
        one, other = self._up.guest(first), self._up.guest(second)
        plans = plain_plan(name, one, other, seed, streams)
        started = Traffic(one, other, seed, self._up.events, plans)
        try:
            started.start()
        except TestbedError:
            started.abandon()
            raise
        self._traffic[name] = started

    def path(self, traffic: str) -> str:
        """The one path that all streams of this traffic take now.

        Raises SubjectFailed when they do not agree.
        """
        running = self._traffic[traffic]
        names = {plan.name for plan in running.plans}
        with self._turn:
            open_ = running.still.agent.ask(OpenStreams, "streams").streams
        paths = sorted({stream.path for stream in open_ if stream.name in names})
        if len(paths) != 1:
            taken = ", ".join(paths) or "none: no stream is open"
            raise SubjectFailed("the streams do not take one path", where=traffic, why=taken)
        return paths[0]

    def watch(self, traffic: str) -> int:
        """Begin to look at what its streams feel."""
        running = self._traffic[traffic]
        ends = [(guest, plan.name) for plan in running.plans for guest in running.guests]
        self._gauges.append((Gauge(ends), threading.Lock()))
        return len(self._gauges) - 1

    def felt(self, gauge: int) -> list[Felt]:
        """What each end has felt since that gauge was made."""
        found, lock = self._gauges[gauge]
        with lock:
            return list(found.read(frozenset(self._away)))

    def stop_traffic(self, traffic: str) -> list[Stream]:
        """End the streams, and judge every byte."""
        running = self._traffic.pop(traffic)
        running.stop()
        return judge(running.plans, running.reports(), running.still.name)

    def new_on_consoles(self) -> dict[str, str]:
        """What each guest's console has said since the last time."""
        if self._consoles is None:
            return {}
        return self._consoles.news()

    def collect(self, folder: str) -> None:
        """Everything that explains a failure."""
        testbed, target = self._up, Path(folder)
        hosts = [place.host for place in testbed.places.values()]
        evidence.collect(hosts, list(testbed.guests.values()), target, testbed.events)
        evidence.consoles(tuple(testbed.record.topology.guests), target)

    def close(self) -> None:
        """Let go of every connection."""
        if self._testbed is not None:
            self._testbed.close()


def _seen_from_inside(folder: str) -> Path:
    """The folder that the session made. Raises UsageError when the lab has another one there."""
    if not Path(folder).is_dir():
        raise UsageError(
            "the results folder cannot be reached from inside the lab",
            where=folder,
            why="inside, /run, /dev, /proc and /sys are others",
            fix="--testbed-results FOLDER",
        )
    return Path(folder)
