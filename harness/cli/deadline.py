"""One deadline for a whole command: when it has passed, the command ends as by Ctrl-C, and says
what it was doing.

The alarm is the kernel's; what it will say is found where the kernel keeps the alarm's handler.
A command that goes inside a lab takes its deadline along: monotonic time is the same there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness import clock
from harness.cli.signals import ignore_signals
from harness.errors import DeadlineExceeded
from harness.model import duration

INSIDE = "TESTBED_INSIDE"
VARIABLE = "TESTBED_DEADLINE"


class Overtime(KeyboardInterrupt):
    """The command's time is up. It is what Ctrl-C raises, so all that cleans up does so."""


class _Alarm:
    """The handler of SIGALRM."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.doing: Callable[[], str] = str  # nothing in particular

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        doing = self.doing() or " ".join(["testbed", *sys.argv[1:]])
        raise Overtime(f"--timeout {duration.short(self.seconds)} has passed during: {doing}")


def inherited() -> float | None:
    """The --timeout of the command that brought us inside a lab, if it had one."""
    kept = os.environ.get(VARIABLE, "") if os.environ.get(INSIDE) == "1" else ""
    return float(kept.partition(" ")[2]) if kept else None


@contextmanager
def armed(seconds: float) -> Iterator[None]:
    """Overtime is raised in the block after `seconds`; inside a lab, when the outer command's
    are over.
    """
    if inherited() is None:
        os.environ[VARIABLE] = f"{clock.now() + seconds} {seconds}"
    end = float(os.environ[VARIABLE].partition(" ")[0])
    signal.signal(signal.SIGALRM, _Alarm(seconds))
    try:
        signal.setitimer(signal.ITIMER_REAL, max(end - clock.now(), 0.001))
        yield
    finally:
        disarm()


def disarm() -> None:
    """Before this process becomes another program, which knows nothing of alarms."""
    signal.setitimer(signal.ITIMER_REAL, 0.0)


def postpone(seconds: float) -> None:
    """Let who has taken our deadline along end first; we go on so many seconds longer."""
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    if left:
        signal.setitimer(signal.ITIMER_REAL, left + seconds)


def tell(doing: Callable[[], str]) -> None:
    """Who knows, from now on, what this command is doing."""
    alarm = signal.getsignal(signal.SIGALRM)
    if isinstance(alarm, _Alarm):
        alarm.doing = doing


def as_error(late: Overtime) -> DeadlineExceeded:
    """The error that a user meets: exit code 69."""
    return DeadlineExceeded(str(late), fix="allow more time, or see what hangs")
