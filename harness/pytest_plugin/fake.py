"""A testbed in memory, for tests of what stands on top of testbeds: the plugin's own first of all.

::

    def pytest_testbed_start(topology, folder):  # in a conftest.py
        return FakeRunning(topology)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import UsageError
from harness.model.result import Migration, Stream
from harness.model.topology import Topology
from harness.pytest_plugin.contract import Standing
from harness.run import Completed
from harness.traffic.gauge import Felt

Answer = Callable[[str, list[str]], Completed]


class FakeSteward:
    """Guests that are where they were put, and do what `answer` says (by default: nothing, well).

    What a test sets, it hears: `consoles`, `stall_ms`, `lost`, `over`. `calls` remembers verbs.
    """

    def __init__(self, topology: Topology) -> None:
        self.at = {name: guest.host for name, guest in topology.guests.items()}
        self.hosts = tuple(topology.hosts)
        self.answer: Answer = lambda _where, argv: Completed(tuple(argv), 0, "", "")
        self.consoles: dict[str, str] = {}
        self.stall_ms, self.lost, self.over = 0.0, 0, False
        self.calls: list[tuple[str, ...]] = []
        self._pairs: dict[str, tuple[str, str]] = {}
        self._watched: list[str] = []

    def bring_up(self, name: str, folder: str) -> Standing:
        """It stands already."""
        self.calls.append(("bring_up", name, folder))
        return Standing(name, "fake", self.hosts, dict(self.at), {"qemu": "0.0"})

    def places(self) -> dict[str, str]:
        """Where guests are."""
        return dict(self.at)

    def run_in_guest(self, guest: str, argv: list[str], within: float) -> Completed:  # noqa: ARG002
        """What `answer` says."""
        self.calls.append(("run_in_guest", guest, *argv))
        return self.answer(guest, argv)

    def start_in_guest(self, guest: str, argv: list[str]) -> int:
        """A pid of nothing."""
        self.calls.append(("start_in_guest", guest, *argv))
        return 1000 + len(self.calls)

    def run_on_host(self, host: str, argv: list[str], within: float) -> Completed:  # noqa: ARG002
        """What `answer` says."""
        self.calls.append(("run_on_host", host, *argv))
        return self.answer(host, argv)

    def migrate(self, guest: str, to: str, bandwidth_mib: int) -> Migration:
        """It is there at once. Raises UsageError when it was there before."""
        self.calls.append(("migrate", guest, to, str(bandwidth_mib)))
        if self.at[guest] == to:
            raise UsageError(f"{guest} is on {to} already")
        source, self.at[guest] = self.at[guest], to
        fields = dict.fromkeys(Migration.model_fields, 0)
        return Migration.model_validate(
            {**fields, "guest": guest, "source": source, "destination": to}
        )

    def start_traffic(self, name: str, first: str, second: str, seed: int, streams: int) -> None:
        """Streams of nothing."""
        self.calls.append(("start_traffic", name, first, second, str(seed), str(streams)))
        self._pairs[name] = (first, second)

    def path(self, traffic: str) -> str:
        """Shared memory while both guests are on one host."""
        return "shm" if len({self.at[guest] for guest in self._pairs[traffic]}) == 1 else "tcp"

    def watch(self, traffic: str) -> int:
        """One more gauge."""
        self._watched.append(traffic)
        return len(self._watched) - 1

    def felt(self, gauge: int) -> list[Felt]:
        """Both ends of one stream, as they were set."""
        guests, stream = self._pairs[self._watched[gauge]], self._watched[gauge]
        return [Felt(guest, stream, 1, 1, self.stall_ms, self.over) for guest in guests]

    def stop_traffic(self, traffic: str) -> list[Stream]:
        """One direction of one stream, `lost` bytes short."""
        self.calls.append(("stop_traffic", traffic))
        first, second = self._pairs[traffic]
        counts = dict.fromkeys(("duplicated", "reordered", "corrupted"), 0)
        fields = {"bytes_sent": 10, "bytes_verified": 10 - self.lost, "lost": self.lost, **counts}
        ends = {"name": traffic, "from": first, "to": second, "longest_stall_ms": self.stall_ms}
        return [Stream.model_validate({**fields, **ends, "clean": not self.lost})]

    def new_on_consoles(self) -> dict[str, str]:
        """What was set, once."""
        said, self.consoles = self.consoles, {}
        return said

    def collect(self, folder: str) -> None:
        """A console for each guest."""
        self.calls.append(("collect", folder))
        for guest in self.at:
            (Path(folder) / f"console-{guest}.log").write_text("")


class FakeRunning:
    """A fake that stands; `ended` says how it ended: kept (True), or not."""

    def __init__(self, topology: Topology) -> None:
        self.steward = FakeSteward(topology)
        self.standing = self.steward.bring_up(topology.name, "")
        self.ended: bool | None = None

    def end(self, *, keep: bool) -> None:
        """Remember how."""
        self.ended = keep
