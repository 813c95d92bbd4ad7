"""Our terminal joined to a guest's console."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from harness.agent.client import Transport
from harness.errors import TestbedError

LEAVE = b"\x1d"
TURN_SECONDS = 0.02


def converse(transport: Transport) -> None:
    """Pass bytes both ways until Ctrl-], the end of our input, or the end of the guest."""
    print("connected; Ctrl-] leaves", file=sys.stderr)
    with _raw_terminal():
        transport.send(b"\n", within=5.0)
        while _from_us(transport):
            try:
                data = transport.receive(within=TURN_SECONDS)
            except TestbedError:
                break
            os.write(sys.stdout.fileno(), data)


def _from_us(transport: Transport) -> bool:
    """Send what was typed; False when it is time to leave."""
    if not select.select([sys.stdin], [], [], 0)[0]:
        return True
    typed = os.read(sys.stdin.fileno(), 4096)
    if not typed or LEAVE in typed:
        return False
    transport.send(typed, within=5.0)
    return True


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys go to the guest as they are, Ctrl-C too; the terminal is set back afterwards."""
    if not sys.stdin.isatty():
        yield
        return
    saved = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin, termios.TCSADRAIN)  # not FLUSH: what was typed ahead counts
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
