"""The streams of a campaign as command lines: pure.

Each goes between two guests, through the agents' sockets or, without a grant, over plain TCP.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.model import naming
from harness.model.campaign import Memory, Workload
from harness.traffic import oracle

Over = Literal["domsock", "tcp"]
Kind = Workload | Literal["probe"]

FIRST_PORT = 9001
PROBE_PACE_MS, PROBE_CHUNK = 10, 64
REQUEST_PACE_MS, CONNECTION_PACE_MS, SLOW_READ_MS = 2, 20, 50
PATTERNS_SOCKET = "/run/patterns.sock"
PATTERNS_DISK = "/dev/vda"
RNG_BITS = 63


@dataclass(frozen=True)
class Line:
    """One stream, or one sequence of connections. `server_id` is the server's domain id."""

    name: str
    kind: Kind
    server: str
    client: str
    server_id: int
    port: int
    over: Over
    seeds: tuple[int, int]
    interval_ms: int

    @property
    def ends(self) -> tuple[str, ...]:
        """The guests in which a program of it reports, the client's first."""
        if self.kind in ("requests", "connections"):
            return (self.client,)
        return (self.client, self.server)

    @property
    def directions(self) -> tuple[tuple[str, str], ...]:
        """Who sends to whom; requests and their answers count as one direction."""
        there, back = (self.client, self.server), (self.server, self.client)
        return (there, back) if self.kind in ("bulk", "probe") else (there,)

    @property
    def timed(self) -> bool:
        """Whether its stalls mean anything: a slow reader stalls its sender on purpose."""
        return self.kind in ("bulk", "requests", "connections")

    @property
    def exported(self) -> str | None:
        """The path that must appear in the client's guest before it can connect."""
        return f"/run/domsock/{self.server}/{self.name}" if self.over == "domsock" else None

    @property
    def server_argv(self) -> list[str]:
        """The serving program."""
        bound = (
            f"/run/domsock/self/{self.name}" if self.over == "domsock" else self._port("0.0.0.0")
        )
        match self.kind:
            case "requests" | "connections":
                return ["load", "serve", bound]
            case "slow-reader":
                return [
                    *self._oracle(None, 1),
                    "--read-pace",
                    str(SLOW_READ_MS),
                    *self._at(bound, "listen"),
                ]
            case _:
                return [*self._oracle(0, 1), *self._pace, *self._at(bound, "listen")]

    @property
    def client_argv(self) -> list[str]:
        """The connecting program."""
        peer = self.exported or self._port(naming.guest_address(self.server_id))
        match self.kind:
            case "requests":
                return [*self._talk(peer), "--pace", str(REQUEST_PACE_MS)]
            case "connections":
                return [*self._talk(peer), "--each", "1", "--pace", str(CONNECTION_PACE_MS)]
            case "slow-reader":
                return [*self._oracle(1, None), *self._at(peer, "connect")]
            case _:
                return [*self._oracle(1, 0), *self._pace, *self._at(peer, "connect")]

    @property
    def _pace(self) -> list[str]:
        paced = ["--pace", str(PROBE_PACE_MS), "--chunk", str(PROBE_CHUNK)]
        return paced if self.kind == "probe" else []

    def _port(self, address: str) -> str:
        return f"{address}:{self.port}"

    def _at(self, where: str, role: str) -> list[str]:
        return [f"--{role}" if self.over == "domsock" else f"--tcp-{role}", where]

    def _talk(self, peer: str) -> list[str]:
        report = ["--report", oracle.report_path(self.name), "--interval", str(self.interval_ms)]
        return ["load", "talk", peer, "--seed", str(self.seeds[0]), *report]

    def _oracle(self, sends: int | None, expects: int | None) -> list[str]:
        argv = ["oracle", "--report", oracle.report_path(self.name)]
        argv += ["--interval", str(self.interval_ms)]
        argv += ["--connect-within", str(oracle.CONNECT_SECONDS)]
        if sends is not None:
            argv += ["--send-seed", str(self.seeds[sends])]
        if expects is not None:
            argv += ["--expect-seed", str(self.seeds[expects])]
        return argv


def lines(
    workloads: Sequence[Workload],
    guests: dict[str, int],
    over: Over,
    seed: int,
    interval_ms: int,
    *,
    probe: bool = True,
) -> list[Line]:
    """A line per workload, the guests taking turns at serving, and the probe, always plain TCP,
    where there is a network.

    `guests` are the two names with their domain ids.
    """
    rng = random.Random(seed)
    names = list(guests)
    made = []
    for number, kind in enumerate([*workloads, *["probe"] * probe]):
        client, server = names if number % 2 == 0 else reversed(names)
        made.append(
            Line(
                name=str(kind),
                kind=kind,  # type: ignore[arg-type]
                server=server,
                client=client,
                server_id=guests[server],
                port=FIRST_PORT + number,
                over="tcp" if kind == "probe" else over,
                seeds=(rng.getrandbits(RNG_BITS), rng.getrandbits(RNG_BITS)),
                interval_ms=interval_ms,
            )
        )
    return made


def patterns_argv(memory: Memory, seed: int) -> list[str] | None:
    """The program that holds a guest's patterns; None when there are none to hold."""
    if not memory.ram and not memory.disk:
        return None
    argv = ["load", "pages", "--socket", PATTERNS_SOCKET, "--seed", str(seed)]
    argv += ["--ram", str(memory.ram), "--dirty", str(memory.dirty)]
    if memory.disk:
        argv += ["--disk", str(memory.disk), "--file", PATTERNS_DISK]
    return argv
