"""The measuring half of host_streams.py; runs inside its lab."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from statistics import median

from rich.console import Console

from harness import clock
from harness.cli import show
from harness.config import REPOSITORY
from harness.testbed.testbed import Testbed
from tests.lab.hosts_inside import BIN, Domain, HostPrograms
from tests.perf.standing import connect

PORT = 6000
BASELINE = ("g1", "g2")
PAIRS = (BASELINE, ("g1", "h1"), ("h1", "g1"))  # who calls whom
PATHS, FAMILIES = ("shm", "relay"), ("port", "path")
MOST_SECONDS = 60.0


@dataclass(frozen=True)
class Figures:
    """Of one stream: median round trip of 64 bytes, in microseconds, and MB/s of 64 KiB."""

    round_trip: float
    rate: float


Case = tuple[str, str, tuple[str, str]]  # path, family, who calls whom
CASES: list[Case] = list(product(PATHS, FAMILIES, PAIRS))


class Volleys:
    """One program that serves and one that calls, in any two domains."""

    def __init__(self, testbed: Testbed, seconds: float) -> None:
        host = HostPrograms(testbed.places["h1"].host)
        testbed.places["h1"].host.put(
            REPOSITORY / "workloads/build/volley", f"{BIN}/volley", mode=0o755
        )
        self._domains: dict[str, Domain] = {**testbed.guests, "h1": host}
        self._ids = {name: guest.domain_id for name, guest in testbed.guests.items()}
        self._ids["h1"] = testbed.hosts["h1"].domain_id
        self._seconds, self._count = f"{seconds:g}", 0

    def measure(self, family: str, pair: tuple[str, str]) -> Figures:
        """Both figures of a stream between the two."""
        echo = self._ask(family, pair, "echo", "64")
        bulk = self._ask(family, pair, "bulk", "65536")
        return Figures(echo["p50_us"], bulk["mb_per_s"])

    def _ask(self, family: str, pair: tuple[str, str], kind: str, size: str) -> dict[str, float]:
        """A server takes one connection, and each has a name of its own."""
        self._count += 1
        client, server = (self._domains[name] for name in pair)
        if family == "port":
            run = ["domsock", "run", "--", "volley"]
            serve = called = f"vsock:{self._ids[pair[1]]}:{PORT + self._count}"
        else:
            run, name = ["volley"], f"volley{self._count}"
            serve, called = f"unix:/run/domsock/self/{name}", f"unix:/run/domsock/{pair[1]}/{name}"
        server.start(["sh", "-c", 'umask 0; exec "$@"', "sh", *run, "serve", serve])
        argv = [*run, kind, called, size, self._seconds]
        said = clock.wait_until(
            lambda: client.exec(argv, within=MOST_SECONDS, check=False).stdout,
            within=MOST_SECONDS,
            what=f"{called} to be served",
        )
        return dict(json.loads(said))


def on_path(testbed: Testbed, path: str) -> None:
    """Bring every link there, from the other one."""
    for grant in testbed.grants:
        if path == "shm":
            grant.share()
        else:
            grant.part()


def rows(found: dict[Case, list[Figures]]) -> Iterator[tuple[str, ...]]:
    """A line for each case: medians of the figures, and of their ratios in the same round."""
    for path, family, pair in CASES:
        here, there = found[path, family, pair], found[path, family, BASELINE]
        trips = median(figures.round_trip for figures in here)
        rates = median(figures.rate for figures in here)
        both = list(zip(here, there, strict=True))
        yield (
            *(f"{pair[0]} → {pair[1]}", family, path, f"{trips:.1f}"),
            f"{median(a.round_trip / b.round_trip for a, b in both):.2f}",
            *(f"{rates:.1f}", f"{median(a.rate / b.rate for a, b in both):.2f}"),
        )


def main(rounds: int, seconds: float) -> None:
    """Measure and print."""
    testbed = connect()
    volleys = Volleys(testbed, seconds)
    found: dict[Case, list[Figures]] = defaultdict(list)
    on_path(testbed, "relay")
    for _, path in product(range(rounds), PATHS):
        on_path(testbed, path)
        for family, pair in product(FAMILIES, PAIRS):
            found[path, family, pair].append(volleys.measure(family, pair))
    made = show.table(
        "Between a guest and its host, and between two guests",
        *("stream", "by", "on", ">64 B there and back, µs", ">ratio", ">64 KiB, MB/s", ">ratio"),
        caption=f"medians of {rounds} rounds, {seconds:g} s each; ratio: to g1 → g2's",
    )
    for row in rows(found):
        show.add(made, *row)
    Console(width=100).print(made)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(int(words[0]) if words else 5, float(words[1]) if len(words) > 1 else 2.0)
