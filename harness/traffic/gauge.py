"""What streams feel while they run, read from their reports bit by bit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from harness.errors import TestbedError
from harness.guests.guest import Guest
from harness.traffic import oracle
from harness.traffic.oracle import Report

DAMAGE = ("lost", "duplicated", "reordered", "corrupted")


@dataclass(frozen=True)
class Felt:
    """One end of one stream, since a gauge looks at it. Bytes are totals of the stream.

    A guest's clock stands still while it moves, so of a stream's two ends the one that felt the
    longer stall is right. `over` says that its program has ended, `damage` counts wrong bytes.
    """

    guest: str
    stream: str
    sent: int = 0
    verified: int = 0
    longest_stall_ms: float = 0.0
    over: bool = False
    damage: int = 0


class Gauge:
    """Looks at the ends of some streams, from the moment it is made."""

    def __init__(self, ends: Iterable[tuple[Guest, str]]) -> None:
        self._ends = [_End(guest, stream) for guest, stream in ends]
        for end in self._ends:
            end.skip()

    def read(self, away: Collection[str] = ()) -> tuple[Felt, ...]:
        """What each end has felt so far. Guests that are `away`, on the move, are not asked."""
        for end in self._ends:
            if end.felt.guest not in away:
                end.advance()
        return tuple(end.felt for end in self._ends)


class _End:
    """How far one report has been read."""

    def __init__(self, guest: Guest, stream: str) -> None:
        self._guest, self._offset = guest, 0
        self.felt = Felt(guest.name, stream)

    def skip(self) -> None:
        """What was noted before now is not for us."""
        self.advance()
        self.felt = replace(self.felt, longest_stall_ms=0.0)

    def advance(self) -> None:
        """Take in the lines that have come since the last time, whole lines only."""
        path = oracle.report_path(self.felt.stream)
        argv = ["tail", "-c", f"+{self._offset + 1}", path]
        try:
            text = self._guest.exec(argv, check=False).stdout
        except TestbedError:  # it moves, or is busy: its report waits
            return
        whole = text[: text.rfind("\n") + 1]
        self._offset += len(whole.encode())
        self.felt = _after(self.felt, oracle.parse_report(whole))


def _after(felt: Felt, news: Report) -> Felt:
    """What an end has felt, once it has felt that, too."""
    if news.samples:
        stalls = (sample.stall_ms for sample in news.samples)
        felt = replace(
            felt,
            sent=news.samples[-1].sent,
            verified=news.samples[-1].verified,
            longest_stall_ms=max(felt.longest_stall_ms, *stalls),
        )
    if news.final:
        felt = replace(felt, over=True, damage=sum(int(news.final[key]) for key in DAMAGE))
    return felt
