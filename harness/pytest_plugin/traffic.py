"""Verified streams between two guests, as a test sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from harness.errors import TestbedError
from harness.pytest_plugin.invariants import Invariant, PromiseBroken, Watch, stall_below

if TYPE_CHECKING:
    from harness.model.result import Stream
    from harness.pytest_plugin.contract import Steward


__tracebackhide__ = True  # a failure shows the test, not us


class Traffic:
    """Streams at full rate, both ways, every byte checked. Use it as a context manager::

        with testbed.traffic(g1, g2) as traffic, traffic.holds(intact, stall_below="2 s"):
            g1.migrate(to="h2")

    `streams` has the verdict on each direction once it has ended.
    """

    def __init__(
        self,
        steward: Steward,
        name: str,
        between: tuple[str, str],
        *,
        seed: int,
        streams: int,
        watches: list[Watch],
    ) -> None:
        self.name, self.between, self.seed = name, between, seed
        self.streams: tuple[Stream, ...] = ()
        self._steward, self._count, self._watches = steward, streams, watches
        self._promises: list[Invariant] = []

    def __enter__(self) -> Traffic:
        self._steward.start_traffic(self.name, *self.between, self.seed, self._count)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the streams and judge them; a failure that is under way already is only added to."""
        try:
            self._conclude()
        except TestbedError as own:
            if error is None:
                raise
            error.add_note(f"and when the traffic ended: {own}")

    def _conclude(self) -> None:
        self.streams = tuple(self._steward.stop_traffic(self.name))
        broken = [said for promise in self._promises if (said := promise.ended(self.streams))]
        if broken:
            raise PromiseBroken("; ".join(broken))

    @property
    def path(self) -> str:
        """How its bytes travel now: "shm", "tcp" or "relay".

        Raises SubjectFailed when its streams do not all take the same path.
        """
        for watch in self._watches:
            watch.check()
        return self._steward.path(self.name)

    @contextmanager
    def holds(
        self, *promises: Invariant, stall_below: str | float | None = None
    ) -> Iterator[Traffic]:
        """While the block runs these promises are watched in the background.

        The first one that breaks raises PromiseBroken at the next verb on a guest, at the latest
        at the end of the block; what only the end of a stream can tell, at the end of the traffic.
        """
        watched = [*promises, *_stalls(stall_below)]
        self._promises.extend(watched)
        watch = self._watch(watched)
        self._watches.append(watch)
        try:
            yield self
        except BaseException as error:
            self._leave(watch, error)
            raise
        self._leave(watch, None)

    def _watch(self, promises: Sequence[Invariant]) -> Watch:
        gauge = self._steward.watch(self.name)
        return Watch(lambda: self._steward.felt(gauge), promises)

    def _leave(self, watch: Watch, error: BaseException | None) -> None:
        self._watches.remove(watch)
        try:
            watch.end()
        except TestbedError as own:
            if error is None:
                raise
            if str(own) != str(error):
                error.add_note(str(own))


def _stalls(limit: str | float | None) -> list[Invariant]:
    return [] if limit is None else [stall_below(limit)]
