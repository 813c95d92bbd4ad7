"""Inside a lab: a testbed that a controller watches, moved and hurt by hand, under traffic."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import clock, run
from harness.config import REPOSITORY
from harness.events import EventLog
from harness.guests.guest import Guest
from harness.hosts.lab.lab import Lab
from harness.hosts.ssh import SshHost
from harness.testbed import folders, record
from harness.testbed.testbed import Testbed
from harness.traffic.oracle import Report
from harness.traffic.traffic import Traffic, judge, plain_plan

NAME = "wide"
SEED = 4
SOON = 30.0
WELL = "watch.settled"
WRONG = ("lost", "duplicated", "reordered", "corrupted")


class Stage:
    """The testbed as somebody at the hosts' keyboards has it; agents are left to the controller,
    whose events stand in `log`.
    """

    def __init__(self, log: Path) -> None:
        found, lab = record.read(NAME), Lab.load(folders.lab_folder(NAME))
        assert found is not None and lab is not None
        self.lab, self._log = lab, log
        hosts = [SshHost(target) for target in lab.hosts]
        self.testbed = Testbed.connect(found, hosts, EventLog())

    def guest(self, name: str) -> Guest:
        """The guest, wherever it has gone."""
        place = self.testbed.whereabouts(name)
        assert place is not None, f"{name} runs nowhere"
        self.testbed.guests[name].moved_to(place[1], place[0])
        return self.testbed.guests[name]

    def where(self, name: str) -> str:
        return self.guest(name).place.name

    def uri(self, host: str) -> str:
        return f"qemu+tcp://{self.lab.spec.address(host)}/system"

    def virsh(self, host: str, *words: str, check: bool = True) -> run.Completed:
        return run.run(["virsh", "-c", self.uri(host), *words], within=120, check=check)

    def migrate(self, name: str, to: str, *, check: bool = True) -> run.Completed:
        """virsh migrate, by hand."""
        here = self.where(name)
        how = ["--live", "--p2p", name, self.uri(to)]
        done = self.virsh(here, "migrate", *how, check=check)
        self.guest(name)
        return done

    def start_migrating(self, name: str, to: str) -> run.Process:
        """The same, not waited for."""
        here = self.uri(self.where(name))
        argv = ["virsh", "-c", here, "migrate", "--live", "--p2p", name, self.uri(to)]
        return run.spawn(argv, stdout=run.PIPE, stderr=run.PIPE)

    def command(self, *words: str) -> str:
        """A testbed command."""
        argv = [sys.executable, "-P", "-m", "harness", *words, "-t", NAME]
        env = {**os.environ, "TESTBED_INSIDE": "1"}
        return run.run(argv, within=120, env=env, cwd=REPOSITORY).stdout

    def grants(self) -> list[dict[str, Any]]:
        """testbed grants --json"""
        found: list[dict[str, Any]] = json.loads(self.command("grants", "--json"))
        return found

    def grant(self) -> dict[str, Any]:
        """The one there is."""
        [found] = self.grants()
        return found

    def leftovers(self) -> dict[str, Any]:
        """What there is of regions, on all hosts and in both guests."""
        places = self.testbed.places.values()
        files = [place.host.run(["ls", "/dev/shm"]).stdout.split() for place in places]
        plugged = {name for guest in ("g1", "g2") for name in self.guest(guest).regions().values()}
        grant = self.grant()
        return {
            "path": grant["path"],
            "files": sum(map(len, files)),
            "same": plugged == {grant["region"]} - {None},
        }

    # ---- what the controller says ----

    def heard(self) -> list[dict[str, Any]]:
        """All its events so far."""
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def mark(self) -> int:
        return len(self.heard())

    def hears(self, since: int, name: str, within: float = SOON, **fields: Any) -> dict[str, Any]:
        """Wait for an event of the controller's after that mark."""

        def found() -> dict[str, Any] | None:
            for event in self.heard()[since:]:
                if event["event"] == name and fields.items() <= event.items():
                    return event
            return None

        return clock.wait_until(found, within=within, what=f"{name} {fields}", every=0.05)

    def on_path(self, path: str, since: int, within: float = SOON) -> None:
        """Wait until the controller says that g1 and g2 are on that path, and that all is well;
        one of the two after that mark.
        """

        def settled() -> bool:
            told = self.heard()
            paths = [event["path"] for event in told if event["event"] == "path"]
            work = [event["event"] for event in told if event["event"].startswith(("act.", WELL))]
            news = {event["event"] for event in told[since:]} & {"path", WELL}
            return bool(news and paths[-1] == path and work[-1] == WELL)

        clock.wait_until(settled, within=within, what=f"all well, on {path}", every=0.05)

    # ---- traffic ----

    @contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Two streams between g1 and g2 while the block lasts; judged by it."""
        one, other = self.guest("g1"), self.guest("g2")
        plans = plain_plan("s", one, other, SEED, 2)
        running = Traffic(one, other, SEED, self.testbed.events, plans)
        running.start()
        try:
            yield running
        except BaseException:
            running.abandon()
            raise

    def carries_on(self, traffic: Traffic, within: float = SOON) -> None:
        """Wait until every end has verified more than it had."""
        before = verified(traffic.reports())

        def more() -> bool:
            now = verified(traffic.reports())
            return all(now[end] > before[end] + 50_000 for end in before)

        clock.wait_until(more, within=within, what="more bytes on every stream", every=0.2)

    def whole(self, traffic: Traffic) -> str:
        """End the streams; "whole" when every byte arrived, once, in order, unhurt."""
        self.guest("g1"), self.guest("g2")
        traffic.stop()
        streams = judge(traffic.plans, traffic.reports(), "g2")
        bad = [stream.model_dump() for stream in streams if not stream.clean]
        return "whole" if not bad else json.dumps(bad)

    def broken(self, traffic: Traffic, at: str = "") -> str:
        """Wait until every end, or every one in that guest, has ended by itself, with an error and
        no wrong byte: "broken".
        """
        self.guest("g1"), self.guest("g2")
        ends: dict[tuple[str, str], Report] = {}

        def all_ended() -> bool:
            reports = traffic.reports()
            ends.update({end: reports[end] for end in reports if at in ("", end[0])})
            return bool(ends) and all(report.final for report in ends.values())

        clock.wait_until(all_ended, within=90, what="every end to end", every=0.2)
        finals = [report.final for report in ends.values()]
        good = all(final["error"] and not any(final[key] for key in WRONG) for final in finals)
        errors = sorted({str(final["error"]) for final in finals})
        return f"broken: {', '.join(errors)}" if good else json.dumps(finals)


def verified(reports: dict[tuple[str, str], Report]) -> dict[tuple[str, str], int]:
    """What each end has verified so far."""
    return {end: report.samples[-1].verified for end, report in reports.items() if report.samples}


def pass_time(seconds: float) -> None:
    """Something lasts that long: the surprise itself, not a wait for anything."""
    deadline = clock.Deadline(seconds)
    clock.wait_until(lambda: deadline.expired, within=seconds + 5, what="time to pass", every=0.5)
