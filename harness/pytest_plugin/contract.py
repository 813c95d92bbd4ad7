"""What a session may ask of the helper inside its lab, and what it hears: the typed verbs.

The helper (`steward.py`) has them, and so has the fake (`fake.py`); a session calls them through
`wire.py`, which reads the annotations here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.model.result import Migration, Stream
from harness.run import Completed
from harness.traffic.gauge import Felt


@dataclass(frozen=True)
class Standing:
    """A testbed that stands. `homes` says on which host each guest was booted."""

    name: str
    accelerator: str
    hosts: tuple[str, ...]
    homes: dict[str, str]
    versions: dict[str, str]


class Steward(Protocol):
    """Acts on one testbed. Every verb raises TestbedError when the testbed breaks under it."""

    def bring_up(self, name: str, folder: str) -> Standing:
        """Bring up what the record of that name describes; `folder` gets events and logs."""

    def places(self) -> dict[str, str]:
        """The host of each guest that runs."""

    def run_in_guest(self, guest: str, argv: list[str], within: float) -> Completed:
        """Run a program in a guest to its end; any exit code is fine."""

    def start_in_guest(self, guest: str, argv: list[str]) -> int:
        """Start a program in a guest; gives its pid there."""

    def run_on_host(self, host: str, argv: list[str], within: float) -> Completed:
        """Run a program on a host to its end; any exit code is fine."""

    def migrate(self, guest: str, to: str, bandwidth_mib: int) -> Migration:
        """Move a guest with its streams open. Moves come one after the other."""

    def start_traffic(self, name: str, first: str, second: str, seed: int, streams: int) -> None:
        """Start verified streams between two guests; returns when bytes move on each."""

    def path(self, traffic: str) -> str:
        """The one path that all streams of this traffic take now."""

    def watch(self, traffic: str) -> int:
        """Begin to look at what its streams feel; gives the gauge's number."""

    def felt(self, gauge: int) -> list[Felt]:
        """What each end has felt since that gauge was made."""

    def stop_traffic(self, traffic: str) -> list[Stream]:
        """End the streams; the verdict on every byte of each direction."""

    def new_on_consoles(self) -> dict[str, str]:
        """What each guest's console has said since the last time this was asked."""

    def collect(self, folder: str) -> None:
        """Consoles, agents' and hosts' logs into `folder`. What cannot be had is an event."""
