"""What has to hold while a test acts: looked at in the background, told at the next verb."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from harness import clock
from harness.errors import SubjectFailed, TestbedError, UsageError

if TYPE_CHECKING:
    from harness.model.result import Stream
    from harness.traffic.gauge import Felt

__tracebackhide__ = True  # a failure shows the test, not us
LOOK_SECONDS = 0.5
DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min)")
MILLISECONDS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0}


class PromiseBroken(SubjectFailed, AssertionError):
    """An invariant did not hold: the test fails."""


class Invariant(Protocol):
    """A promise about streams. Each method gives a sentence when it is broken, else nothing."""

    def flowing(self, felt: Sequence[Felt]) -> str:
        """Asked again and again while the streams run, with what each end felt so far."""

    def ended(self, streams: Sequence[Stream]) -> str:
        """Asked once, when the streams were ended and every byte was judged."""


class Intact:
    """No byte is lost, repeated, reordered or damaged, and no stream ends by itself.

    The count of bytes is exact once the streams are ended; until then a stream that broke is seen.
    """

    def flowing(self, felt: Sequence[Felt]) -> str:
        """A stream that nobody asked to end has broken."""
        over = [f"{end.stream} ended in {end.guest}" for end in felt if end.over]
        return f"streams broke: {', '.join(over)}" if over else ""

    def ended(self, streams: Sequence[Stream]) -> str:
        """Every byte of every direction, once and in order."""
        return "; ".join(
            f"stream {s.name} {s.from_}→{s.to}: {s.bytes_verified} of {s.bytes_sent} bytes "
            f"verified, {s.lost} lost, {s.duplicated} duplicated, {s.reordered} reordered, "
            f"{s.corrupted} corrupted"
            for s in streams
            if not s.clean
        )


class StallBelow:
    """No stream stands still for that long, while there is something to send."""

    def __init__(self, limit_ms: float) -> None:
        self.limit_ms = limit_ms

    def flowing(self, felt: Sequence[Felt]) -> str:
        """The longest stall that either end of a stream felt."""
        worst = max(felt, key=lambda end: end.longest_stall_ms, default=None)
        if worst is None or worst.longest_stall_ms < self.limit_ms:
            return ""
        return (
            f"{worst.stream} stood still for {worst.longest_stall_ms:.0f} ms in {worst.guest}, "
            f"{self.limit_ms:.0f} ms or more"
        )

    def ended(self, streams: Sequence[Stream]) -> str:  # noqa: ARG002 - a stall is seen in time
        """Nothing: ending a stream is no stall."""
        return ""


intact: Invariant = Intact()


def stall_below(limit: str | float) -> Invariant:
    """The promise that no stream stands still for `limit`: ``"2 s"``, ``"300 ms"``, or seconds.

    Raises UsageError for anything else.
    """
    found = DURATION.fullmatch(limit) if isinstance(limit, str) else None
    if found:
        return StallBelow(float(found[1]) * MILLISECONDS[found[2]])
    if isinstance(limit, str) or limit <= 0:
        raise UsageError(f"{limit!r} is no duration", fix='write it as "2 s" or "300 ms"')
    return StallBelow(limit * 1000)


class Watch:
    """Looks at running streams twice a second, in a thread of its own, until it is ended."""

    def __init__(self, look: Callable[[], Sequence[Felt]], promises: Sequence[Invariant]) -> None:
        self._look, self._promises = look, promises
        self._end = threading.Event()
        self._broken = ""
        self.blind = ""
        self._thread = threading.Thread(target=self._run, name="testbed-watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            self._judge()

    def _judge(self) -> None:
        try:
            felt = self._look()
            found = [said for promise in self._promises if (said := promise.flowing(felt))]
        except TestbedError as error:
            self.blind = str(error)
            return
        self.blind = ""
        self._broken = self._broken or "; ".join(found)

    def check(self) -> None:
        """Raises PromiseBroken when something did not hold."""
        if self._broken:
            raise PromiseBroken(f"while the test acted, {self._broken}")

    def end(self) -> None:
        """Look a last time, and no more.

        Raises PromiseBroken, or TestbedError when that look was in vain: what was not seen is
        not known to hold.
        """
        begun = clock.now()
        self._end.set()
        self._thread.join()
        self._judge()
        self.check()
        if self.blind:
            seconds = f"{clock.now() - begun:.0f} s"
            raise TestbedError("the streams cannot be looked at", why=self.blind, where=seconds)
