"""Time. The only module that reads the clock or sleeps, so that tests can see every wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from harness.errors import DeadlineExceeded

T = TypeVar("T")


def now() -> float:
    """Monotonic seconds: for durations, comparable only on this machine."""
    return time.monotonic()


def now_ns() -> int:
    """Monotonic nanoseconds, of the same clock as `now`."""
    return time.monotonic_ns()


def utc() -> datetime:
    """The wall clock, for people and file names."""
    return datetime.now(UTC)


def sleep(seconds: float) -> None:
    """Wait; never to synchronise, only to pace a poll."""
    time.sleep(max(0.0, seconds))


class Deadline:
    """A point in time by which something must have happened."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = now() + seconds

    def left(self) -> float:
        """Seconds that remain, never below zero."""
        return max(0.0, self._end - now())

    @property
    def waited(self) -> float:
        """Seconds that have passed."""
        return self.seconds - self.left()

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.left() == 0.0


def wait_until(
    condition: Callable[[], T | None], *, within: float, what: str, every: float = 0.02
) -> T:
    """Poll `condition` until it returns something true, and return that.

    The result is tested before the clock, so a condition that holds at the last moment counts.
    Raises DeadlineExceeded naming `what` after `within` seconds.
    """
    deadline = Deadline(within)
    while True:
        late = deadline.expired
        result = condition()
        if result:
            return result
        if late:
            raise DeadlineExceeded(f"waited {within:g} s for {what}, in vain")
        sleep(min(every, deadline.left()))
