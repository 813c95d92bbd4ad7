"""Streams at full rate between two guests, and what became of every byte."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from harness import clock
from harness.errors import TestbedError
from harness.events import EventLog
from harness.guests.guest import Guest
from harness.model import naming
from harness.model.result import Stream
from harness.traffic import oracle
from harness.traffic.oracle import Kind, Report

START_SECONDS = 30.0
STOP_SECONDS = 60.0
PROBE = "probe"


@dataclass(frozen=True)
class StreamPlan:
    """One full-duplex stream: who serves, who connects, with which programs and seeds."""

    name: str
    kind: Kind
    server: Guest
    client: Guest
    seeds: tuple[int, int]

    @property
    def server_argv(self) -> list[str]:
        """The serving program."""
        return oracle.serve_argv(self.kind, self.name, self.seeds)

    @property
    def client_argv(self) -> list[str]:
        """The connecting program; its seeds are the server's, crossed."""
        crossed, tcp = (self.seeds[1], self.seeds[0]), self.kind == "tcp"
        peer = naming.guest_address(self.server.domain_id) if tcp else self.server.name
        return oracle.connect_argv(self.kind, self.name, crossed, peer)


def plan(first: Guest, second: Guest, seed: int) -> list[StreamPlan]:
    """Four streams, each in both directions: two through plain sockets, two through netcat.

    Each guest serves two and connects two. Beside them runs a plain TCP probe, a small packet
    every 10 ms, whose stall is the network's own.
    """
    rng = random.Random(seed)
    seeds = [(rng.getrandbits(63), rng.getrandbits(63)) for _ in range(5)]
    return [
        StreamPlan("s1", "unix", second, first, seeds[0]),
        StreamPlan("s2", "unix", first, second, seeds[1]),
        StreamPlan("s3", "netcat", second, first, seeds[2]),
        StreamPlan("s4", "netcat", first, second, seeds[3]),
        StreamPlan(PROBE, "tcp", second, first, seeds[4]),
    ]


def plain_plan(name: str, first: Guest, second: Guest, seed: int, count: int) -> list[StreamPlan]:
    """`count` streams through plain sockets, their names after `name`, served by each in turn."""
    rng = random.Random(seed)
    pairs = [(first, second), (second, first)]
    return [
        StreamPlan(f"{name}-{n}", "unix", *pairs[n % 2], (rng.getrandbits(63), rng.getrandbits(63)))
        for n in range(count)
    ]


class Traffic:
    """Running streams between two guests; `still` is the one that will not move."""

    def __init__(
        self,
        first: Guest,
        still: Guest,
        seed: int,
        events: EventLog,
        plans: list[StreamPlan] | None = None,
    ) -> None:
        self.guests, self.still, self.events = (first, still), still, events
        self.plans = plan(first, still, seed) if plans is None else plans
        self._pids: dict[tuple[str, str], int] = {}

    def start(self) -> None:
        """Start every program, and return when every stream moves bytes."""
        with self.events.span("traffic.start", streams=[p.name for p in self.plans]):
            for guest in self.guests:
                guest.exec(["mkdir", "-p", oracle.FOLDER])
            for item in self.plans:
                self._launch(item.name, item.server, item.server_argv)
            for item in self.plans:
                self._await_export(item)
                self._launch(item.name, item.client, item.client_argv)
            for item in self.plans:
                self._await_flow(item)

    def _launch(self, stream: str, guest: Guest, argv: list[str]) -> None:
        self._pids[guest.name, stream] = guest.start(argv)

    def _await_export(self, item: StreamPlan) -> None:
        if item.kind == "tcp":
            return
        path = f"/run/domsock/{item.server.name}/{item.name}"
        clock.wait_until(
            lambda: item.client.exec(["test", "-S", path], check=False).returncode == 0,
            within=START_SECONDS,
            what=f"{path} to appear in {item.client.name}",
        )

    def _await_flow(self, item: StreamPlan) -> None:
        def flows() -> bool:
            samples = self._report(item.server, item.name).samples
            return bool(samples and samples[-1].verified > 0)

        clock.wait_until(
            flows, within=START_SECONDS, what=f"bytes on stream {item.name}", every=0.1
        )

    def stop(self) -> None:
        """Ask every end to finish, and wait until each has read the other's end of stream.

        Servers end first: a listening netcat leaves as soon as its peer has ended, whatever it
        still had to send itself.
        """
        deadline = clock.Deadline(STOP_SECONDS)
        with self.events.span("traffic.stop"):
            self._tell_to_end([(item.server, item.name) for item in self.plans])
            for item in self.plans:
                self._await_end(item.client, item.name, deadline)
            self._tell_to_end([(item.client, item.name) for item in self.plans])
            for item in self.plans:
                for guest in (item.server, item.client):
                    self._await_final(guest, item.name, deadline)

    def abandon(self) -> None:
        """Kill what has been started; nothing is judged."""
        for guest in self.guests:
            pids = [str(pid) for (name, _), pid in self._pids.items() if name == guest.name]
            if pids:
                guest.exec(["kill", "-KILL", *pids], check=False)

    def _tell_to_end(self, ends: list[tuple[Guest, str]]) -> None:
        for guest in self.guests:
            pids = [str(self._pids[g.name, stream]) for g, stream in ends if g is guest]
            guest.exec(["kill", "-TERM", *pids], check=False)

    def _await_end(self, guest: Guest, stream: str, deadline: clock.Deadline) -> None:
        """Wait until that end has seen the other's end mark."""
        self._await(
            lambda r: bool(r.final or (r.samples and r.samples[-1].ended)), guest, stream, deadline
        )

    def _await_final(self, guest: Guest, stream: str, deadline: clock.Deadline) -> None:
        self._await(lambda r: bool(r.final), guest, stream, deadline)

    def _await(
        self,
        condition: Callable[[Report], bool],
        guest: Guest,
        stream: str,
        deadline: clock.Deadline,
    ) -> None:
        """Wait for a condition on the newest line of a report; say so when it never holds."""

        def holds() -> bool:
            tail = guest.exec(["tail", "-n", "1", oracle.report_path(stream)], check=False).stdout
            return condition(oracle.parse_report(tail))

        try:
            what = f"{stream} to end in {guest.name}"
            clock.wait_until(holds, within=max(deadline.left(), 1.0), what=what, every=0.05)
        except TestbedError as error:
            self.events.emit("stream.unfinished", guest=guest.name, stream=stream, error=str(error))

    def _report(self, guest: Guest, stream: str) -> Report:
        text = guest.exec(["cat", oracle.report_path(stream)], check=False).stdout
        return oracle.parse_report(text)

    def reports(self) -> dict[tuple[str, str], Report]:
        """Every end's report: (guest, stream) → report."""
        return {
            (guest.name, item.name): self._report(guest, item.name)
            for item in self.plans
            for guest in (item.server, item.client)
        }


def judge(
    plans: list[StreamPlan], reports: dict[tuple[str, str], Report], still: str
) -> list[Stream]:
    """The verdict on each direction of each stream but the probe's.

    Stalls are those that the guest `still` timed: the other's clock stops while it moves.
    """
    return [
        _judge_direction(item.name, source.name, sink.name, reports, still)
        for item in plans
        if item.kind != "tcp"
        for source, sink in ((item.client, item.server), (item.server, item.client))
    ]


def _judge_direction(
    name: str, source: str, sink: str, reports: dict[tuple[str, str], Report], still: str
) -> Stream:
    sent, got = reports[source, name].final, reports[sink, name].final
    counts = {key: int(got.get(key, 0)) for key in ("lost", "duplicated", "reordered", "corrupted")}
    bytes_sent, verified = int(sent.get("bytes_sent", 0)), int(got.get("bytes_verified", 0))
    missing = max(0, bytes_sent - verified - counts["lost"] - counts["corrupted"])
    counts["lost"] += missing
    clean = bool(sent and got and got.get("eof") and not any(counts.values()))
    timed = got.get("longest_receive_stall_ms") if sink == still else None
    timed = sent.get("longest_send_stall_ms") if source == still else timed
    return Stream.model_validate(
        {
            "name": name,
            "from": source,
            "to": sink,
            "bytes_sent": bytes_sent,
            "bytes_verified": verified,
            **counts,
            "longest_stall_ms": float(timed or 0.0),
            "clean": clean and bytes_sent == verified and verified > 0,
        }
    )
