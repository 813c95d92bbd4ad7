"""Ctrl-C and SIGTERM: the first one stops us, later ones do not disturb the clean-up."""

from __future__ import annotations

import signal
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def stop_at_first_signal() -> None:
    """SIGINT and SIGTERM raise KeyboardInterrupt, once."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise KeyboardInterrupt

    for number in NUMBERS:
        signal.signal(number, handler)


def ignore_signals() -> None:
    """From here on nothing interrupts us, the command's deadline neither."""
    for number in (*NUMBERS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
